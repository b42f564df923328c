import type { Descriptor } from '../../../../src/content/descriptor.ts'
import { graph } from '../../../support/graph.ts'
import {
  startServer,
  type Answer,
  type Received,
  type TestServer,
  type TestServerOptions,
} from '../server.ts'

const node = graph({ m1: ['config'] }).node('m1')
export const descriptor: Descriptor = node.descriptor
export const bytes: Uint8Array = node.bytes

/** The answer to every request for content. */
export const manifest: Answer = {
  status: 200,
  headers: { 'content-type': descriptor.mediaType, 'docker-content-digest': descriptor.digest },
  body: bytes,
}

/** The user of these tests. */
export const credential = (): { username: string; password: string } => ({
  username: 'user',
  password: 'secret',
})
/** His Authorization. */
export const basic: string = `Basic ${Buffer.from('user:secret').toString('base64')}`

export interface TokenRegistry {
  readonly server: TestServer
  /** Refuses the newest token, until another one is given. */
  revoke(): void
}

export interface TokenRegistryOptions extends TestServerOptions {
  readonly challenge?: (url: string) => string | readonly string[]
  readonly token?: (request: Received, count: number) => Answer | Promise<Answer>
  readonly content?: (request: Received) => Answer
}

/** A registry that wants a token for everything, and gives numbered tokens itself. */
export async function startTokenRegistry(options: TokenRegistryOptions = {}): Promise<TokenRegistry> {
  const {
    challenge = (url) => `Bearer realm="${url}/token",service="test",scope="repository:a:pull"`,
    token = (_request, count) => ({ status: 200, body: JSON.stringify({ token: `t${count}` }) }),
    content = () => manifest,
  } = options
  let count = 0
  let valid: string | undefined
  const server: TestServer = await startServer(async (request) => {
    if (request.url.startsWith('/token')) {
      count += 1
      valid = `Bearer t${count}`
      return token(request, count)
    }
    if (valid !== undefined && request.headers.authorization === valid) return content(request)
    return { status: 401, headers: { 'www-authenticate': challenge(server.url) }, body: '{}' }
  }, options)
  return { server, revoke: () => (valid = undefined) }
}

/** Requests with their Authorization. */
export function authorizations(server: TestServer): string[] {
  return server.requests.map(
    ({ method, url, headers }) =>
      `${method} ${url.startsWith('/token') ? '/token' : url} ${headers.authorization ?? '-'}`,
  )
}

export function scopesAsked(server: TestServer): string[] {
  return server.requests
    .filter(({ url }) => url.startsWith('/token'))
    .map(({ url }) => new URL(url, server.url).searchParams.getAll('scope').join(' '))
}
