use super::*;

#[track_caller]
fn assert_line(page: &str, line: &str) {
    assert!(page.lines().any(|l| l == line), "{line:?} is missing from:\n{page}");
}

#[test]
fn events_are_counted_under_their_names() {
    let metrics = Metrics::new();

    metrics.request_finished("/v3/directline/conversations", 201, Duration::from_millis(3));
    metrics.streamed_answer_ended(StreamedAnswerEnd::Broken);
    metrics.activity_accepted(ActivityOrigin::Client);
    metrics.activity_accepted(ActivityOrigin::Client);
    metrics.append_committed(Duration::from_micros(700));
    metrics.socket_opened();
    metrics.socket_opened();
    metrics.socket_closed(SocketClosed::Collision);
    metrics.delivery_finished(DeliveryOutcome::NotReached, Duration::from_secs(1));
    metrics.outbox_changed(OutboxEvent::Parked);
    metrics.outbox_conversations(3);
    metrics.poll_held();
    metrics.bot_refused(BotRefused::Expired);
    metrics.issuer_keys_fetched(KeysFetched::Failed);
    metrics.token_issued(TokenWay::ManagedIdentity);
    metrics.token_refused(TokenWay::ClientCredentials);
    metrics.directory_holds(3, 2);
    metrics.admin_changed(AdminChange::SecretAdded);
    metrics.files_kept(ActivityOrigin::Bot, 2, 300);
    metrics.file_bytes_sent(40);
    metrics.file_refused(FileRefused::SiteQuota);
    metrics.files_swept(5);
    metrics.file_bytes_held(260);
    metrics.handshake_ended(TlsHandshake::TimedOut);
    metrics.certificate_reloaded(CertificateReload::Failed);
    assert!(!metrics.render().unwrap().contains("expiry_timestamp_seconds "), "no certificate, no end");
    metrics.certificate_ends(landline_protocol::Timestamp::from_millis(1_800_000_000_500));

    let page = metrics.render().unwrap();
    assert_line(&page, r#"landline_requests_total{route="/v3/directline/conversations",status="201"} 1"#);
    assert_line(&page, r#"landline_bot_streamed_answers_total{end="Broken"} 1"#);
    assert_line(&page, r#"landline_activities_total{from="Client"} 2"#);
    assert_line(&page, r#"landline_append_duration_seconds_bucket{le="0.001"} 1"#);
    assert_line(&page, r#"landline_append_duration_seconds_bucket{le="0.0005"} 0"#);
    assert_line(&page, "landline_sockets 1");
    assert_line(&page, r#"landline_sockets_closed_total{reason="Collision"} 1"#);
    assert_line(&page, r#"landline_deliveries_total{outcome="NotReached"} 1"#);
    assert_line(&page, r#"landline_outbox_events_total{event="Parked"} 1"#);
    assert_line(&page, "landline_outbox_conversations 3");
    assert_line(&page, "landline_polls_held_total 1");
    assert_line(&page, r#"landline_bots_refused_total{reason="Expired"} 1"#);
    assert_line(&page, r#"landline_issuer_keys_fetched_total{outcome="Failed"} 1"#);
    assert_line(&page, r#"landline_bot_tokens_issued_total{way="ManagedIdentity"} 1"#);
    assert_line(&page, r#"landline_bot_tokens_refused_total{way="ClientCredentials"} 1"#);
    assert_line(&page, "landline_bots 3");
    assert_line(&page, "landline_sites 2");
    assert_line(&page, r#"landline_admin_changes_total{change="SecretAdded"} 1"#);
    assert_line(&page, r#"landline_files_kept_total{from="Bot"} 2"#);
    assert_line(&page, "landline_files_received_bytes_total 300");
    assert_line(&page, "landline_files_sent_bytes_total 40");
    assert_line(&page, r#"landline_files_refused_total{reason="SiteQuota"} 1"#);
    assert_line(&page, "landline_files_swept_total 5");
    assert_line(&page, "landline_files_held_bytes 260");
    assert_line(&page, r#"landline_tls_handshakes_total{outcome="TimedOut"} 1"#);
    assert_line(&page, r#"landline_tls_certificate_reloads_total{outcome="Failed"} 1"#);
    assert_line(&page, "landline_tls_certificate_expiry_timestamp_seconds 1800000000");
    assert_line(&page, "# EOF");
}

#[test]
fn a_connection_counts_for_as_long_as_its_guard_lives() {
    let metrics = Metrics::new();
    let guard = metrics.connection_opened();
    assert_line(&metrics.render().unwrap(), "landline_connections 1");
    drop(guard);
    assert_line(&metrics.render().unwrap(), "landline_connections 0");
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_shows_its_memory_and_descriptors() {
    let page = Metrics::new().render().unwrap();
    for name in ["process_resident_memory_bytes ", "process_open_fds "] {
        let line =
            page.lines().find(|l| l.starts_with(name)).unwrap_or_else(|| panic!("no {name}in:\n{page}"));
        let value: f64 = line[name.len()..].parse().unwrap();
        assert!(value > 0.0, "{line}");
    }
}
