import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { requireBinary } from './binaries.js';
import { inherited } from './environment.config.js';

export interface Certificate {
  certFile: string;
  keyFile: string;
  /** PEM; the certificate that a client must trust. */
  ca: string;
}

const run = promisify(execFile);
const LOCAL = '127.0.0.1';
const RENEW_BEFORE_MS = 7 * 24 * 3_600_000;

/**
 * Makes a self-signed ECDSA P-256 certificate for localhost, 127.0.0.1 and `host` in `folder`, for local runs and
 * tests. Makes a new one for another host and a week before expiry. Needs `openssl`: Node reads certificates but cannot
 * make them.
 */
export async function certificateFor(folder: string, host = LOCAL): Promise<Certificate> {
  const certFile = join(folder, 'gateway-cert.pem');
  const keyFile = join(folder, 'gateway-key.pem');
  if (!isUsable(certFile, keyFile, host)) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    await run(
      requireBinary('openssl'),
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-sha256'],
        ...['-keyout', keyFile, '-out', certFile, '-days', '365', '-subj', '/CN=localhost'],
        ...['-addext', `subjectAltName=${names(host)}`, '-addext', 'extendedKeyUsage=serverAuth'],
      ],
      // OPENSSL_CONF in the caller's environment may name another configuration.
      { env: inherited() },
    );
    chmodSync(keyFile, 0o600);
  }
  return { certFile, keyFile, ca: readFileSync(certFile, 'utf8') };
}

function names(host: string): string {
  const own = host === LOCAL ? [] : [`${isIP(host) ? 'IP' : 'DNS'}:${host}`];
  return ['DNS:localhost', `IP:${LOCAL}`, ...own].join();
}

function isUsable(certFile: string, keyFile: string, host: string): boolean {
  try {
    readFileSync(keyFile);
    const certificate = new X509Certificate(readFileSync(certFile));
    const isFor = isIP(host) ? certificate.checkIP(host) : certificate.checkHost(host);
    return isFor !== undefined && Date.parse(certificate.validTo) - Date.now() > RENEW_BEFORE_MS;
  } catch {
    return false;
  }
}
