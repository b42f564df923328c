import type { RegistryHandlerOptions } from '../../server/handler.ts'
import type { RegistryStore } from '../../server/store.ts'
import type { Fault } from '../fault.ts'
import type { TokenRules, Tokens } from '../tokens.ts'
import type { Users } from '../users.ts'

/** What the faults of a profile can be made of. */
export interface ProfileParts {
  readonly store: RegistryStore
  readonly users: Users
  /** Answered for at the origin `tokens`. */
  readonly tokens: Tokens
}

/** How one registry differs from what the specification, or a naive client, expects. */
export interface Profile {
  readonly limits?: Omit<RegistryHandlerOptions, 'htpasswd' | 'onRequest'> | undefined
  /** How its token service behaves. */
  readonly tokens?: Omit<TokenRules, 'users'> | undefined
  /** Faults for one registry: they hold its state. */
  readonly faults: (parts: ProfileParts) => readonly Fault[]
}

/** Nothing goes wrong. */
export const plainProfile: Profile = { faults: () => [] }
