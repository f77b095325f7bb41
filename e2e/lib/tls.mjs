// https in front of a server, as a proxy with a certificate does it: for SDKs that refuse plain http.

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
import datetime, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
now = datetime.datetime.now(datetime.timezone.utc)
certificate = (
    x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())
    .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1))
    .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    .sign(key, hashes.SHA256())
)
folder = sys.argv[1]
open(folder + "/key.pem", "wb").write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
open(folder + "/certificate.pem", "wb").write(certificate.public_bytes(serialization.Encoding.PEM))
`;

export class TlsFront {
  /** Gives `{ origin, certificate, stop }`; what comes in goes to `port`. `certificate` is the file that clients have to trust. */
  static async to(port) {
    const front = new TlsFront();
    front.folder = await mkdtemp(join(tmpdir(), 'landline-tls-'));
    await promisify(execFile)(python, ['-c', MAKE, front.folder]);
    front.certificate = join(front.folder, 'certificate.pem');
    front.sockets = new Set();
    front.server = tls.createServer({ key: await readFile(join(front.folder, 'key.pem')), cert: await readFile(front.certificate) }, client => {
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
