import { constants } from 'node:crypto';
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import type { SecureContextOptions, Server } from 'node:tls';
import type { Logger } from '@huizhi/runtime';

export interface CertificateFiles {
  readonly HZ_TLS_CERT_FILE: string;
  readonly HZ_TLS_KEY_FILE: string;
}

export const readCertificate = ({ HZ_TLS_CERT_FILE, HZ_TLS_KEY_FILE }: CertificateFiles): SecureContextOptions => ({
  cert: readFileSync(HZ_TLS_CERT_FILE),
  key: readFileSync(HZ_TLS_KEY_FILE),
  minVersion: 'TLSv1.2',
  // A client of 1.2 that asks to negotiate again costs a handshake each time, and is never one of ours.
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
});

/**
 * A renewed certificate is used for new connections; the open ones do not notice.
 * @param everyMs how often the files are looked at
 * @returns what ends the watch
 */
export function watchCertificate(files: CertificateFiles, server: Server, everyMs: number, log: Logger): () => void {
  const reload = (): void => {
    try {
      server.setSecureContext(readCertificate(files));
      log.info('certificate.reloaded');
    } catch (error) {
      // Half-written, or a key that does not fit yet: the old pair stays until both files are there.
      log.warn('certificate.not-reloaded', { error });
    }
  };
  const paths = [files.HZ_TLS_CERT_FILE, files.HZ_TLS_KEY_FILE];
  for (const path of paths) watchFile(path, { interval: everyMs, persistent: false }, reload);
  return () => {
    for (const path of paths) unwatchFile(path, reload);
  };
}
