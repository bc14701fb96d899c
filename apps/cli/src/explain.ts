import { CertificateError, ConnectFailedError, LoginRefusedError, UpgradeRefusedError } from '@huizhi/client';

/** What is wrong, and which option changes it. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const hint = hintFor(error);
  return hint === undefined ? error.message : `${error.message}\n${hint}`;
}

/** Whether nothing else can succeed either: there is no such server, or none that lets this command in. */
export const isHopeless = (error: unknown): boolean =>
  error instanceof ConnectFailedError ||
  error instanceof CertificateError ||
  error instanceof UpgradeRefusedError ||
  error instanceof LoginRefusedError;

function hintFor(error: Error): string | undefined {
  if (error instanceof CertificateError) {
    return error.code === 'ERR_TLS_CERT_ALTNAME_INVALID'
      ? 'Give a name or address that the certificate is for: --host.'
      : 'Give the certificate or authority to trust: --ca.';
  }
  if (error instanceof UpgradeRefusedError) return 'What answers there is no gateway: see --host, --port and --mode.';
  if (error instanceof LoginRefusedError && error.error === 'badToken') {
    return 'Tokens must be signed with the secret of that system: --token-secret-file.';
  }
  if (!(error instanceof ConnectFailedError)) return undefined;
  if (error.code === 'ENOTFOUND' || error.code === 'EAI_AGAIN') return 'See --host.';
  if (error.code === 'ECONNREFUSED')
    return 'Is the system running? See --host and --port, or --data for one of this machine.';
  return 'See --host and --port; --no-tls and --mode must be as that port speaks.';
}
