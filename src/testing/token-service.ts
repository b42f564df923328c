import { composeFaults, type Fault } from './fault.ts'
import { startFront, type TlsFiles } from './front.ts'
import { RequestLog, type SeenRequest } from './log.ts'
import { createTokens, type TokenRules, type Tokens } from './tokens.ts'

/** How a token service behaves, and where it listens. */
export interface TokenServiceOptions extends TokenRules {
  /** The first is the nearest to the client. @default none */
  readonly faults?: readonly Fault[] | undefined
  /** Speaks HTTPS with it. */
  readonly tls?: TlsFiles | undefined
  /** The name that its URL has instead of `127.0.0.1`, where it listens in any case. */
  readonly name?: string | undefined
}

/** A token service that listens; it takes any path for a request for a token. */
export interface TokenService extends Tokens {
  /** As in `http://127.0.0.1:5001`. */
  readonly url: string
  /** Every request that came, in order. */
  readonly requests: readonly SeenRequest[]
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Starts a token service on loopback. A registry that asks for its tokens has `requireToken(service, { realm })` among its faults. */
export async function startTokenService(options: TokenServiceOptions = {}): Promise<TokenService> {
  const { faults = [], tls, name } = options
  const tokens = createTokens(options)
  const log = new RequestLog()
  const next = composeFaults(faults, tokens.answer)
  const origins = (): Record<'registry' | 'storage' | 'tokens', string> => ({
    registry: front.origin,
    storage: front.origin,
    tokens: front.origin,
  })
  const front = await startFront({ log, next, origins }, { part: 'tokens', tls, name })
  const { origin: url, close } = front
  return { ...tokens, url, requests: log.requests, close, [Symbol.asyncDispose]: close }
}
