import { createHmac, randomBytes } from 'node:crypto'
import { UnsupportedError } from '../errors.ts'
import type { SignalOptions } from '../events.ts'
import { matchesHash } from './bcrypt.ts'
import { refusal } from './errors.ts'
import type { Answer } from './exchange.ts'
import { Guesses, type Credentials } from './guesses.ts'

/**
 * Checks the Authorization header of a request from an address: undefined for one that may pass, else its refusal.
 * Rejects with the reason of a `signal` that has aborted.
 */
export type Authenticator = (
  authorization: string | undefined,
  address: string | undefined,
  options?: SignalOptions,
) => Promise<Answer | undefined>

/**
 * Basic authentication by the text of an htpasswd file whose hashes are of bcrypt. Each password is hashed once; then
 * it is known by a keyed hash. Unknown users cost as much time as known ones.
 *
 * At most 16 checks wait per address, 4 of them under one name, 256 in all; more are refused with 429. Addresses that
 * have few go first. Guesses under many names can still keep new logins from their address out; who has logged in
 * before passes at once.
 *
 * Error: UNSUPPORTED for another kind of hash, and for a file that names no user.
 */
export function createAuthenticator(htpasswd: string): Authenticator {
  const users = parseHtpasswd(htpasswd)
  const [decoy] = users.values()
  if (decoy === undefined) throw new UnsupportedError('the htpasswd file names no user')
  const key = randomBytes(32)
  const verified = new Set<string>()
  const guesses = new Guesses(async ({ user, password }) => {
    const matches = await matchesHash(password, users.get(user) ?? decoy)
    return matches && users.has(user)
  })
  return async (authorization, address = '', { signal } = {}) => {
    const credentials = parseBasic(authorization)
    if (credentials === undefined) return unauthorized()
    const text = `${credentials.user}:${credentials.password}`
    const id = createHmac('sha256', key).update(text).digest('base64')
    if (verified.has(id)) return undefined
    const outcome = guesses.outcomeOf({ ...credentials, id, address, signal })
    if (outcome === undefined) {
      return refusal(429, 'TOOMANYREQUESTS', 'too many logins at a time', { 'Retry-After': '1' })
    }
    const isRight = await outcome
    signal?.throwIfAborted()
    if (!isRight) return unauthorized()
    verified.add(id)
    return undefined
  }
}

/** bcrypt reads no more of a password, so that longer ones would match by their beginning. */
const maxPasswordBytes = 72

/** The cost is an exponent: at 16 a guess takes seconds, and beyond it nobody could log in. */
const bcryptHash = /^\$2[aby]\$(?:0[4-9]|1[0-6])\$[./A-Za-z0-9]{53}$/

function parseHtpasswd(text: string): ReadonlyMap<string, string> {
  const users = new Map<string, string>()
  for (const [index, line] of text.split('\n').entries()) {
    const entry = line.trim()
    if (entry === '' || entry.startsWith('#')) continue
    const colon = entry.indexOf(':')
    const hash = entry.slice(colon + 1)
    if (colon < 1 || !bcryptHash.test(hash)) {
      throw new UnsupportedError(
        `line ${index + 1} of the htpasswd file is not "user:hash" with a hash of bcrypt at a cost from 4 to 16 (htpasswd -B writes such)`,
      )
    }
    users.set(entry.slice(0, colon), hash)
  }
  return users
}

function parseBasic(authorization: string | undefined): Credentials | undefined {
  const [, encoded] = /^basic +([A-Za-z0-9+/=]+)$/i.exec(authorization ?? '') ?? []
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString()
  const colon = text.indexOf(':')
  const password = text.slice(colon + 1)
  const isUsable =
    colon > 0 &&
    password !== '' &&
    !password.includes('\0') &&
    Buffer.byteLength(password) <= maxPasswordBytes
  return isUsable ? { user: text.slice(0, colon), password } : undefined
}

function unauthorized(): Answer {
  return refusal(401, 'UNAUTHORIZED', 'authentication required', {
    'WWW-Authenticate': 'Basic realm="copygraph"',
  })
}
