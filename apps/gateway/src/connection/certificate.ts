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
  // A TLS 1.2 renegotiation costs a handshake each time, and Huizhi clients never request it.
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
});

/**
 * Uses a renewed certificate for new connections; open connections keep theirs.
 * @param everyMs interval between checks of the files
 * @returns a function that ends the watch
 */
export function watchCertificate(files: CertificateFiles, server: Server, everyMs: number, log: Logger): () => void {
  const reload = (): void => {
    try {
      server.setSecureContext(readCertificate(files));
      log.info('certificate.reloaded');
    } catch (error) {
      // A half-written file or a non-matching key: the old pair stays in use until both files are valid.
      log.warn('certificate.not-reloaded', { error });
    }
  };
  const paths = [files.HZ_TLS_CERT_FILE, files.HZ_TLS_KEY_FILE];
  for (const path of paths) watchFile(path, { interval: everyMs, persistent: false }, reload);
  return () => {
    for (const path of paths) unwatchFile(path, reload);
  };
}
