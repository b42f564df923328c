import { generateKeyPairSync, randomUUID, sign, type JsonWebKey, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

/** What a registry must know of who issues its tokens. */
export interface TokenAuthority {
  /** Where tokens come from. */
  readonly realm: string
  /** What the registry is called there. */
  readonly service: string
  readonly issuer: string
  /** With which tokens are checked. */
  readonly key: JsonWebKey
}

export interface IssuedToken {
  readonly token: string
  /** Undefined for the anonymous. */
  readonly user: string | undefined
  /** As they were asked for. */
  readonly scopes: readonly string[]
}

/** A token service on loopback that signs JSON web tokens, as distribution wants them. */
export interface JwtTokenService extends AsyncDisposable {
  /** Name and port. */
  readonly host: string
  readonly authority: TokenAuthority
  /** Every token that was issued, in order. */
  readonly issued: readonly IssuedToken[]
}

export interface JwtTokenServiceOptions {
  /** Who gets what is asked for; the anonymous get a token without any right, and others none. */
  readonly user: { readonly username: string; readonly password: string }
  /** @default 300 */
  readonly lifetimeSeconds?: number | undefined
}

/** Starts one (distribution, "Token Authentication Implementation"). */
export async function startJwtTokenService({
  user,
  lifetimeSeconds = 300,
}: JwtTokenServiceOptions): Promise<JwtTokenService> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const issued: IssuedToken[] = []
  const expected = `Basic ${Buffer.from(`${user.username}:${user.password}`).toString('base64')}`
  const answer = ({ url = '', headers }: IncomingMessage, response: ServerResponse): void => {
    const { authorization } = headers
    if (authorization !== undefined && authorization !== expected) {
      response.writeHead(401).end()
      return
    }
    const name = authorization === undefined ? undefined : user.username
    const scopes = new URL(url, 'http://tokens').searchParams.getAll('scope')
    const token = signToken(name, scopes, { privateKey, lifetimeSeconds })
    issued.push({ token, user: name, scopes })
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ token, expires_in: lifetimeSeconds }))
  }
  const server = createServer(answer)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  const host = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  const key = { ...publicKey.export({ format: 'jwk' }), kid: keyId, alg: 'ES256', use: 'sig' }
  return {
    host,
    authority: { realm: `http://${host}/token`, service, issuer, key },
    issued,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

const service = 'peer-registry'
const issuer = 'test-token-service'
const keyId = 'test-key'

/** distribution takes tokens for so much longer than they say, as clocks differ. */
const leewaySeconds = 60

interface Signing {
  readonly privateKey: KeyObject
  readonly lifetimeSeconds: number
}

function signToken(
  user: string | undefined,
  scopes: readonly string[],
  { privateKey, lifetimeSeconds }: Signing,
): string {
  const now = Math.floor(Date.now() / 1000)
  const claims = {
    iss: issuer,
    sub: user ?? '',
    aud: service,
    iat: now,
    nbf: now - leewaySeconds,
    // So that it is refused when its time is over, and not a minute later.
    exp: now + lifetimeSeconds - leewaySeconds,
    jti: randomUUID(),
    access: user === undefined ? [] : scopes.map(accessOf),
  }
  const signed = [{ typ: 'JWT', alg: 'ES256', kid: keyId }, claims].map(encode).join('.')
  const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${signed}.${signature.toString('base64url')}`
}

function accessOf(scope: string): object {
  const [type, name, actions = ''] = scope.split(':')
  return { type, name, actions: actions.split(',') }
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}
