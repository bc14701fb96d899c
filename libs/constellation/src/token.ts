import { SignJWT } from 'jose';

/** An HS256 token for `userID`; `expiresIn` as in "2h", "30d" or a number of seconds (negative: expired already). */
export function signToken(secret: string, userID: string, expiresIn: string | number = '30d'): Promise<string> {
  const expiry = typeof expiresIn === 'number' ? Math.floor(Date.now() / 1000) + expiresIn : expiresIn;
  return new SignJWT({})
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(userID)
    .setIssuedAt()
    .setExpirationTime(expiry)
    .sign(new TextEncoder().encode(secret));
}
