// Certificates of an authority of our own, and https in front of a server, as a proxy with a certificate does it.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { python } from './paths.mjs';

// Node makes no certificates; the package that Python's SDKs check signatures with does.
const MAKE = `
import datetime, os, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

folder = sys.argv[1]
at = lambda name: os.path.join(folder, name)
now = datetime.datetime.now(datetime.timezone.utc)
named = lambda text: x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

def write(name, pem):
    with open(at(name), "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(pem)

def private(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

def certificate(subject, key, issuer, issuer_key, ca, extension, critical):
    return (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), critical=True)
        .add_extension(extension, critical=critical)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )

authority = named("Authority of the tests")
if os.path.exists(at("authority.key")):
    authority_key = serialization.load_pem_private_key(open(at("authority.key"), "rb").read(), None)
else:
    authority_key = ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(**{name: name in ("key_cert_sign", "crl_sign", "digital_signature") for name in (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")})
    signed = certificate(authority, authority_key, authority, authority_key, True, usage, True)
    write("authority.key", private(authority_key))
    write("authority.pem", signed.public_bytes(serialization.Encoding.PEM))
key = ec.generate_private_key(ec.SECP256R1())
names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
signed = certificate(named("localhost"), key, authority, authority_key, False, names, False)
write("certificate.pem", signed.public_bytes(serialization.Encoding.PEM))
write("key.pem", private(key))
`;

/**
 * Makes a certificate for `localhost`, and an authority for it where there is none in the folder yet. Gives where they are:
 * `{ authority, certificate, key }`; clients have to trust the first.
 */
export async function makeCertificate(folder) {
  await promisify(execFile)(python, ['-c', MAKE, folder]);
  const at = name => join(folder, name);
  return { authority: at('authority.pem'), certificate: at('certificate.pem'), key: at('key.pem') };
}

export class TlsFront {
  /** Gives `{ origin, authority, stop }`; what comes in goes to `port`. `authority` is the file that clients have to trust. */
  static async to(port) {
    const front = new TlsFront();
    front.folder = await mkdtemp(join(tmpdir(), 'landline-tls-'));
    const { authority, certificate, key } = await makeCertificate(front.folder);
    front.authority = authority;
    front.sockets = new Set();
    front.server = tls.createServer({ key: await readFile(key), cert: await readFile(certificate) }, client => {
      const server = net.connect(port, '127.0.0.1');
      for (const [socket, other] of [[client, server], [server, client]]) {
        front.sockets.add(socket);
        socket.pipe(other);
        socket.on('error', () => other.destroy());
        socket.on('close', () => front.sockets.delete(socket));
      }
    }).listen(0, 'localhost');
    await once(front.server, 'listening');
    front.origin = `https://localhost:${front.server.address().port}`;
    return front;
  }

  async stop() {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await rm(this.folder, { recursive: true, force: true });
  }
}
