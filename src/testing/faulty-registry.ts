import type { RegistryHandlerOptions } from '../server/handler.ts'
import { memoryStore, type RegistryStore } from '../server/store.ts'
import { composeFaults, type Fault, type FaultyRequest, type Next, type Part } from './fault.ts'
import { startFront, type Front, type TlsFiles } from './front.ts'
import { startInner, type InnerRegistry } from './inner-registry.ts'
import { RequestLog, type SeenRequest } from './log.ts'
import { plainProfile, type Profile } from './profiles/profile.ts'
import { createTokens, type Tokens } from './tokens.ts'
import type { Users } from './users.ts'

/** What a faulty registry is made of. */
export interface FaultyRegistryOptions {
  /** What goes wrong. The first is the nearest to the client; those of the profile stand before all. @default nothing */
  readonly faults?: readonly Fault[] | undefined
  /** Which registry it plays, for example `ecr()`. @default the embedded one, which lets everybody in */
  readonly profile?: Profile | undefined
  /** Who may log in, where the profile asks for it. @default `{ tester: 'password' }` */
  readonly users?: Users | undefined
  /** Where the content is. @default a store in memory */
  readonly store?: RegistryStore | undefined
  /** Limits of the embedded registry; they prevail over those of the profile. */
  readonly limits?: Omit<RegistryHandlerOptions, 'htpasswd' | 'onRequest'> | undefined
  /** All its servers speak HTTPS with it. */
  readonly tls?: TlsFiles | undefined
  /** The names that its servers have in URLs instead of `127.0.0.1`, where they listen in any case. */
  readonly names?: Partial<Readonly<Record<Part, string>>> | undefined
}

/** A registry on loopback that misbehaves. */
export interface FaultyRegistry {
  /** As in `http://127.0.0.1:5000`, without a slash at its end. */
  readonly url: string
  /** Name and port, as in references. */
  readonly host: string
  readonly port: number
  /** Where its servers are: the registry, the storage that some registries redirect to, and the token service. */
  readonly origins: Readonly<Record<Part, string>>
  /** The same content where nothing goes wrong and everybody may do everything, for preparing and for looking. */
  readonly withoutFaults: string
  /** The tokens of its own token service. */
  readonly tokens: Tokens
  /** Every request that came to any of its servers, in order; `withoutFaults` is not one of them. */
  readonly requests: readonly SeenRequest[]
  /** Ends all connections; idempotent. When it settles, nothing is at work any more. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Starts the embedded registry behind scripted faults, on free ports of loopback.
 *
 * ```ts
 * await using registry = await startFaultyRegistry({
 *   faults: [on({ method: 'GET', endpoint: 'blob' }, times(2, resetResponseAfter(1024)))],
 * })
 * ```
 */
export async function startFaultyRegistry(options: FaultyRegistryOptions = {}): Promise<FaultyRegistry> {
  const { faults = [], profile = plainProfile, users = { tester: 'password' }, tls, names = {} } = options
  const { store = memoryStore(), limits = {} } = options
  const tokens = createTokens({ users, ...profile.tokens })
  const inner = await startInner(store, { ...profile.limits, ...limits })
  const log = new RequestLog()
  const next = composeFaults([...profile.faults({ store, users, tokens }), ...faults], inner.next)
  const fronts = new Map<Part, Front>()
  const originOf = (part: Part): string => fronts.get(part)?.origin ?? ''
  const origins = (): FaultyRequest['origins'] => ({
    registry: originOf('registry'),
    storage: originOf('storage'),
    tokens: originOf('tokens'),
  })
  const answers: Readonly<Record<Part, Next>> = { registry: next, storage: next, tokens: tokens.answer }
  for (const part of ['registry', 'storage', 'tokens'] as const) {
    fronts.set(
      part,
      await startFront({ log, next: answers[part], origins }, { part, tls, name: names[part] }),
    )
  }
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => (closing ??= closeAll([...fronts.values()], inner))
  return {
    url: originOf('registry'),
    host: new URL(originOf('registry')).host,
    port: fronts.get('registry')?.port ?? 0,
    origins: origins(),
    withoutFaults: inner.url,
    tokens,
    requests: log.requests,
    close,
    [Symbol.asyncDispose]: close,
  }
}

async function closeAll(fronts: readonly Front[], inner: InnerRegistry): Promise<void> {
  await Promise.all(fronts.map((front) => front.close()))
  await inner.close()
}
