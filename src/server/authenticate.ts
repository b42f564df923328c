import { createHmac, randomBytes } from 'node:crypto'
import { compare } from 'bcryptjs'
import PQueue from 'p-queue'
import { UnsupportedError } from '../errors.ts'
import { refusal } from './errors.ts'
import type { Answer } from './exchange.ts'

/** Checks the Authorization header of a request: undefined for one that may pass, else its refusal. */
export type Authenticator = (authorization: string | undefined) => Promise<Answer | undefined>

/**
 * Basic authentication by the text of an htpasswd file whose hashes are of bcrypt. Each password is hashed once; then
 * it is known by a keyed hash. Unknown users cost as much time as known ones.
 * Error: UNSUPPORTED for another kind of hash, and for a file that names no user.
 */
export function createAuthenticator(htpasswd: string): Authenticator {
  const users = parseHtpasswd(htpasswd)
  const [decoy] = users.values()
  if (decoy === undefined) throw new UnsupportedError('the htpasswd file names no user')
  const key = randomBytes(32)
  const verified = new Map<string, Promise<boolean>>()
  const queue = new PQueue({ concurrency: 1 })
  const check = async ({ user, password }: Credentials): Promise<boolean> => {
    const matches = await compare(password, users.get(user) ?? decoy)
    return matches && users.has(user)
  }
  return async (authorization) => {
    const credentials = parseBasic(authorization)
    if (credentials === undefined) return unauthorized()
    const id = createHmac('sha256', key)
      .update(`${credentials.user}:${credentials.password}`)
      .digest('base64')
    const known = verified.get(id)
    if (known === undefined && queue.size >= maxWaiting) {
      return refusal(429, 'TOOMANYREQUESTS', 'too many logins at a time', { 'Retry-After': '1' })
    }
    const checking = known ?? queue.add(() => check(credentials))
    verified.set(id, checking)
    if (await checking) return undefined
    verified.delete(id)
    return unauthorized()
  }
}

interface Credentials {
  readonly user: string
  readonly password: string
}

/** Hashing takes a tenth of a second of the only thread. */
const maxWaiting = 64

/** bcrypt reads no more of a password, so that longer ones would match by their beginning. */
const maxPasswordBytes = 72

function parseHtpasswd(text: string): ReadonlyMap<string, string> {
  const users = new Map<string, string>()
  for (const [index, line] of text.split('\n').entries()) {
    const entry = line.trim()
    if (entry === '' || entry.startsWith('#')) continue
    const colon = entry.indexOf(':')
    const hash = entry.slice(colon + 1)
    if (colon < 1 || !/^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/.test(hash)) {
      throw new UnsupportedError(
        `line ${index + 1} of the htpasswd file is not "user:hash" with a hash of bcrypt (htpasswd -B writes such)`,
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
