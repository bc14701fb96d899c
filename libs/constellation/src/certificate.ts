import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { requireBinary } from './binaries.js';

export interface Certificate {
  certFile: string;
  keyFile: string;
  /** PEM; what a client must trust. */
  ca: string;
}

const run = promisify(execFile);
const RENEW_BEFORE_MS = 7 * 24 * 3_600_000;

/**
 * A self-signed ECDSA P-256 certificate for localhost and 127.0.0.1 in `folder`, for local runs and tests; made on first
 * use and again a week before it expires. Needs `openssl`: Node can read certificates, not make them.
 */
export async function certificateFor(folder: string): Promise<Certificate> {
  const certFile = join(folder, 'gateway-cert.pem');
  const keyFile = join(folder, 'gateway-key.pem');
  if (!isUsable(certFile, keyFile)) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    await run(requireBinary('openssl'), [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-sha256'],
      ...['-keyout', keyFile, '-out', certFile, '-days', '365', '-subj', '/CN=localhost'],
      ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-addext', 'extendedKeyUsage=serverAuth'],
    ]);
    chmodSync(keyFile, 0o600);
  }
  return { certFile, keyFile, ca: readFileSync(certFile, 'utf8') };
}

function isUsable(certFile: string, keyFile: string): boolean {
  try {
    readFileSync(keyFile);
    return Date.parse(new X509Certificate(readFileSync(certFile)).validTo) - Date.now() > RENEW_BEFORE_MS;
  } catch {
    return false;
  }
}
