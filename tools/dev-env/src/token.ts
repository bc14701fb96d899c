import { SignJWT } from 'jose';

/**
 * An HS256 token for `userID`.
 * @param expiresIn "2h", "30d" or a number of seconds; a negative number makes an expired token
 * @param aheadS how far the issuer's clock is ahead, in seconds
 */
export function signToken(
  secret: string,
  userID: string,
  expiresIn: string | number = '30d',
  aheadS = 0,
): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const expiry = typeof expiresIn === 'number' ? now + expiresIn : expiresIn;
  // An expired token was issued before it expired.
  const issuedAt = typeof expiry === 'number' ? Math.min(now + aheadS, expiry - 1) : now + aheadS;
  return new SignJWT({})
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(userID)
    .setIssuedAt(issuedAt)
    .setExpirationTime(expiry)
    .sign(new TextEncoder().encode(secret));
}
