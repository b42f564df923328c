import { env } from 'node:process'
import { isRegistry, parseReference } from '../content/reference.ts'
import type { Credential } from '../targets/remote/auth/credential.ts'
import { usageError } from './usage-error.ts'

/** A credential together with the only registry that it is for. */
export interface EnvironmentCredential {
  /** As references name it. */
  readonly registry: string
  readonly credential: Credential
}

/**
 * What the variables of the process give; undefined where there is none. Without a registry they would be shown to both
 * sides of a copy, so that it is required. Empty variables count as none, since CI has such. Throws a usage error.
 */
export function environmentCredential(): EnvironmentCredential | undefined {
  const { COPYGRAPH_USERNAME: username, COPYGRAPH_PASSWORD: password, COPYGRAPH_TOKEN: accessToken } = env
  const credential = credentialOf(username, password, accessToken)
  if (credential === undefined) return undefined
  const registry = env['COPYGRAPH_REGISTRY'] ?? ''
  if (!isRegistry(registry)) {
    throw usageError(
      'COPYGRAPH_REGISTRY must name the one registry that the credential in the environment is for',
    )
  }
  return { registry: parseReference(`${registry}/x`).registry, credential }
}

function credentialOf(
  username: string | undefined,
  password: string | undefined,
  accessToken: string | undefined,
): Credential | undefined {
  if (accessToken && (username || password)) {
    throw usageError(
      'COPYGRAPH_TOKEN excludes COPYGRAPH_USERNAME and COPYGRAPH_PASSWORD: set one or the other',
    )
  }
  if (accessToken) return { accessToken }
  if (username && password) return { username, password }
  if (username || password)
    throw usageError('COPYGRAPH_USERNAME and COPYGRAPH_PASSWORD go together: set both')
  return undefined
}
