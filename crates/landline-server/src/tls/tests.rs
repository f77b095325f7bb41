//! Which pairs are taken, which are refused in which words, and when another one takes the place of the one in use.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ED25519, date_time_ymd};
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::pair::Pair;
use super::*;
use crate::limits::{TLS_FILES_POLL, TLS_FILES_SETTLE};

/// 2026-06-01.
const NOW: Timestamp = Timestamp::from_millis(1_780_272_000_000);

const DAY: Duration = Duration::from_secs(24 * 3600);

struct Always(Timestamp);

impl Clock for Always {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A folder with a certificate and its key.
struct Made {
    folder: tempfile::TempDir,
    files: TlsFiles,
}

/// For `bots.example.org`, good from the beginning of one year to that of another.
fn parameters(from: i32, until: i32) -> CertificateParams {
    let mut parameters = CertificateParams::new(vec!["bots.example.org".to_owned()]).unwrap();
    parameters.not_before = date_time_ymd(from, 1, 1);
    parameters.not_after = date_time_ymd(until, 1, 1);
    parameters
}

fn made() -> Made {
    let folder = tempfile::tempdir().unwrap();
    let files =
        TlsFiles { certificate: folder.path().join("fullchain.pem"), key: folder.path().join("privkey.pem") };
    let made = Made { folder, files };
    made.renew(2026, 2027);
    made
}

impl Made {
    /// Writes another pair.
    fn renew(&self, from: i32, until: i32) {
        let key = KeyPair::generate().unwrap();
        let certificate = parameters(from, until).self_signed(&key).unwrap();
        fs::write(&self.files.certificate, certificate.pem()).unwrap();
        self.write_key(&key.serialize_pem());
    }

    fn write_key(&self, text: &str) {
        fs::write(&self.files.key, text).unwrap();
        fs::set_permissions(&self.files.key, fs::Permissions::from_mode(0o640)).unwrap();
    }

    fn read(&self) -> Result<Pair, ConfigError> {
        Pair::read(&self.files)
    }

    #[track_caller]
    fn refused(&self, at: &str, words: &str) {
        let why = self.read().err().expect("it is taken").to_string();
        assert!(why.starts_with(&format!("{at}: ")) && why.contains(words), "{why}");
        let folder = self.folder.path().display().to_string();
        assert!(why.contains(&folder), "it does not say which file: {why}");
    }
}

fn config(lines: &str) -> Config {
    let text = format!("{lines}\n[tls]\ncertificate = \"a\"\nkey = \"b\"");
    Config::parse(&text, Path::new(""), &|_| None).unwrap()
}

#[test]
fn a_pair_says_until_when_it_is_good() {
    let pair = made().read().unwrap();
    assert_eq!(pair.from.to_string(), "2026-01-01T00:00:00.000Z");
    assert_eq!(pair.until.to_string(), "2027-01-01T00:00:00.000Z");
    assert!(pair.is_good_at(NOW) && !pair.is_good_at(pair.until) && pair.is_good_at(pair.from));
    let far = made();
    far.renew(2026, 2126);
    assert_eq!(
        far.read().unwrap().until.to_string(),
        "2126-01-01T00:00:00.000Z",
        "the other spelling of years"
    );
}

#[test]
fn keys_of_all_kinds_are_taken() {
    let made = made();
    for algorithm in [&rcgen::PKCS_ECDSA_P384_SHA384, &PKCS_ED25519, &rcgen::PKCS_RSA_SHA256] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        fs::write(&made.files.certificate, parameters(2026, 2027).self_signed(&key).unwrap().pem()).unwrap();
        made.write_key(&key.serialize_pem());
        assert!(made.read().is_ok(), "{algorithm:?}");
    }
    // Both in one file, as some proxies have it.
    let both = [&made.files.key, &made.files.certificate].map(|path| fs::read_to_string(path).unwrap());
    fs::write(&made.files.certificate, both.concat()).unwrap();
    let files = TlsFiles { key: made.files.certificate.clone(), ..made.files.clone() };
    assert!(Pair::read(&files).is_ok());
}

#[test]
fn files_that_are_not_what_they_should_be_are_named() {
    let made = made();
    let [certificate, key] = [&made.files.certificate, &made.files.key].map(|path| fs::read(path).unwrap());

    fs::write(&made.files.certificate, "hello").unwrap();
    made.refused("tls.certificate", "holds no certificate in PEM");
    fs::write(&made.files.certificate, &key).unwrap();
    made.refused("tls.certificate", "holds no certificate in PEM");
    fs::write(&made.files.certificate, &certificate[..certificate.len() / 2]).unwrap();
    made.refused("tls.certificate", "is damaged");
    let nonsense = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    fs::write(&made.files.certificate, nonsense).unwrap();
    made.refused("tls.certificate", "cannot be understood");
    fs::write(&made.files.certificate, vec![b'\n'; 300_000]).unwrap();
    made.refused("tls.certificate", "has more than 262144 bytes");
    fs::remove_file(&made.files.certificate).unwrap();
    made.refused("tls.certificate", "cannot read");
    fs::create_dir(&made.files.certificate).unwrap();
    made.refused("tls.certificate", "is no file");
    fs::remove_dir(&made.files.certificate).unwrap();
    fs::write(&made.files.certificate, &certificate).unwrap();

    made.write_key("secret words");
    made.refused("tls.key", "holds no private key in PEM");
    fs::write(&made.files.key, &certificate).unwrap();
    made.refused("tls.key", "holds no private key in PEM");
    made.write_key("-----BEGIN ENCRYPTED PRIVATE KEY-----\naGVsbG8=\n-----END ENCRYPTED PRIVATE KEY-----\n");
    made.refused("tls.key", "is encrypted");
    made.write_key("-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n");
    made.refused("tls.key", "cannot be used");
    fs::remove_file(&made.files.key).unwrap();
    made.refused("tls.key", "cannot read");
    fs::write(&made.files.key, &key).unwrap();
    assert!(made.read().is_ok());
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let made = made();
    made.write_key(&KeyPair::generate().unwrap().serialize_pem());
    made.refused("tls.key", "does not fit the first certificate");
}

#[test]
fn a_chain_in_the_wrong_order_is_said_to_be_that() {
    let made = made();
    let mut of_authority = CertificateParams::new(vec![]).unwrap();
    of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let authority = of_authority.self_signed(&authority_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::new(of_authority, authority_key);
    let certificate = parameters(2026, 2027).signed_by(&key, &issuer).unwrap();
    made.write_key(&key.serialize_pem());
    fs::write(&made.files.certificate, [authority.pem(), certificate.pem()].concat()).unwrap();
    made.refused("tls.key", "put the server's own first");
    fs::write(&made.files.certificate, [certificate.pem(), authority.pem()].concat()).unwrap();
    assert!(made.read().is_ok());
}

#[test]
fn what_is_worth_a_look_is_said() {
    let made = made();
    let pair = made.read().unwrap();
    let said =
        |lines: &str, now: Timestamp| advice::warnings(&made.files, &pair, &config(lines), now).join("\n");
    let named = "public_url = \"https://bots.example.org\"";
    assert_eq!(said(named, NOW), "");
    assert_eq!(said("connector_url = \"https://inside\"", NOW), "");
    assert!(said("", NOW).contains("public_url: it is not set"));
    assert!(said("public_url = \"http://bots.example.org\"", NOW).contains("speaks https alone"));
    for elsewhere in ["https://www.example.org", "https://192.0.2.1", "https://[2001:db8::1]:3000"] {
        let said = said(&format!("public_url = \"{elsewhere}\""), NOW);
        assert!(said.contains("the certificate is not for"), "{elsewhere}: {said}");
    }
    let end = pair.until.as_millis();
    let before = |days: i64| Timestamp::from_millis(end - days * 86_400_000);
    assert_eq!(said(named, before(15)), "");
    assert!(said(named, before(14)).contains("expires on 2027-01-01T00:00:00.000Z"));
    assert!(said(named, before(0)).contains("has expired"));
    assert!(said(named, before(366)).contains("is good from 2026-01-01T00:00:00.000Z on"));

    fs::set_permissions(&made.files.key, fs::Permissions::from_mode(0o644)).unwrap();
    let exposed = made.read().unwrap();
    let said = advice::warnings(&made.files, &exposed, &config(named), NOW).join("\n");
    assert!(said.starts_with("tls.key: everybody on this machine may read"), "{said}");
}

/// What keeps a pair fresh, on a clock that runs as fast as it is waited for.
struct Renewing {
    made: Made,
    tls: Tls,
    asked: Arc<Notify>,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

#[expect(clippy::disallowed_methods, reason = "the test waits for the task by its handle")]
async fn renewing(now: Timestamp) -> Renewing {
    let made = made();
    let (metrics, asked, shutdown) = (Arc::<Metrics>::default(), Arc::default(), CancellationToken::new());
    let tls = Tls::open(&made.files, Arc::clone(&metrics)).await.unwrap();
    let task =
        tokio::spawn(tls.clone().keep_fresh(Arc::new(Always(now)), Arc::clone(&asked), shutdown.clone()));
    Renewing { made, tls, asked, metrics, shutdown, task }
}

impl Renewing {
    /// How often a new pair was taken, and how often one was found to be of no use.
    fn counted(&self) -> (u64, u64) {
        let page = self.metrics.render().unwrap();
        let of = |outcome: &str| {
            let name = format!("landline_tls_certificate_reloads_total{{outcome=\"{outcome}\"}} ");
            page.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
        };
        (of("Good"), of("Failed"))
    }

    fn until(&self) -> String {
        self.tls.current.borrow().until.to_string()[..4].to_owned()
    }

    async fn looks(&self, times: u32) {
        sleep((TLS_FILES_POLL + TLS_FILES_SETTLE) * times + Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_is_found_without_being_told() {
    let it = renewing(NOW).await;
    it.looks(3).await;
    assert_eq!(it.counted(), (0, 0), "nothing has changed");
    it.made.renew(2026, 2028);
    it.looks(1).await;
    assert_eq!((it.until().as_str(), it.counted()), ("2028", (1, 0)));
    let page = it.metrics.render().unwrap();
    assert!(page.contains("\nlandline_tls_certificate_expiry_timestamp_seconds 1830297600\n"), "{page}");

    it.shutdown.cancel();
    it.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn links_that_are_switched_over_are_a_renewal() {
    let it = renewing(NOW).await;
    let next = made();
    next.renew(2026, 2029);
    for (link, target) in
        [(&it.made.files.certificate, &next.files.certificate), (&it.made.files.key, &next.files.key)]
    {
        fs::remove_file(link).unwrap();
        std::os::unix::fs::symlink(target, link).unwrap();
    }
    it.looks(1).await;
    assert_eq!((it.until().as_str(), it.counted()), ("2029", (1, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_signal_has_it_looked_at_once() {
    let it = renewing(NOW).await;
    it.made.renew(2026, 2028);
    it.asked.notify_one();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(it.until(), "2028");
}

#[tokio::test(start_paused = true)]
async fn a_broken_pair_is_said_once_and_the_old_one_goes_on() {
    let it = renewing(NOW).await;
    let before = it.tls.current();
    fs::write(&it.made.files.certificate, "hello").unwrap();
    it.looks(5).await;
    assert_eq!((it.until().as_str(), it.counted()), ("2027", (0, 1)));
    assert!(Arc::ptr_eq(&before, &it.tls.current()));

    it.asked.notify_one();
    it.looks(1).await;
    assert_eq!(it.counted(), (0, 2), "who asks gets an answer");

    fs::remove_file(&it.made.files.certificate).unwrap();
    it.looks(2).await;
    assert_eq!(it.counted(), (0, 3), "another trouble is said, too");

    it.made.renew(2026, 2028);
    it.looks(1).await;
    assert_eq!((it.until().as_str(), it.counted()), ("2028", (1, 3)));
}

#[tokio::test(start_paused = true)]
async fn a_pair_in_the_middle_of_being_written_is_no_trouble() {
    let it = renewing(NOW).await;
    let next = made();
    next.renew(2026, 2028);
    fs::copy(&next.files.certificate, &it.made.files.certificate).unwrap();
    it.asked.notify_one();
    sleep(TLS_FILES_SETTLE / 2).await;
    assert_eq!((it.until().as_str(), it.counted()), ("2027", (0, 0)));
    fs::copy(&next.files.key, &it.made.files.key).unwrap();
    sleep(TLS_FILES_SETTLE).await;
    assert_eq!((it.until().as_str(), it.counted()), ("2028", (1, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_pair_that_clients_refuse_does_not_replace_one_that_they_accept() {
    let it = renewing(NOW).await;
    for (from, until) in [(2020, 2021), (2040, 2041)] {
        it.made.renew(from, until);
        it.looks(1).await;
        assert_eq!(it.until(), "2027");
    }
    assert_eq!(it.counted(), (0, 2));

    let late = renewing(NOW.plus(DAY * 365)).await;
    late.made.renew(2020, 2021);
    late.looks(1).await;
    assert_eq!(late.until(), "2021", "the one in use is no better");
}

#[test]
fn debug_output_holds_no_key() {
    let files = made().files;
    let tls = Tls {
        files: files.clone(),
        current: watch::Sender::new(Arc::new(made().read().unwrap())),
        metrics: Arc::default(),
    };
    assert_eq!(format!("{tls:?}"), format!("Tls {{ files: {files:?}, .. }}"));
}
