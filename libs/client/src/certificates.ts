import { serverOf, type Address } from './address.js';
import { CertificateError } from './errors.js';

/** Node's error codes of certificate verification: OpenSSL's names, and its own for a wrong host name. */
const CODES =
  /^(CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|ERROR_IN_CERT_|ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED)/;

/** Converts an error of certificate verification to a CertificateError; returns other errors unchanged. */
export function asCertificateError(address: Address, error: Error): Error {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && CODES.test(code) ? new CertificateError(serverOf(address), error) : error;
}
