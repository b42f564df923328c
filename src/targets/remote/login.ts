import { AuthError, UnsupportedError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import {
  eraseCredential,
  storeCredential,
  type CredentialPlace,
  type CredentialStoreOptions,
} from './auth/credential-store.ts'
import { tokenUser, type Credential } from './auth/credential.ts'
import { expectHelperTimeout } from './auth/docker-credential.ts'
import { expectRegistry, Registry } from './registry.ts'
import type { TransportOptions } from './transport/transport.ts'

/** How the registry is reached, and where the credential is kept. */
export interface LoginOptions
  extends SignalOptions, CredentialStoreOptions, Omit<TransportOptions, 'credential'> {}

export interface LoginResult extends CredentialPlace {
  /** False if the registry let us in without asking for the credential, so that it may be wrong. */
  readonly isChecked: boolean
}

export interface LogoutOptions extends SignalOptions, CredentialStoreOptions {}

/**
 * Checks a credential at a registry, and keeps it where `storedCredentials` with these options finds it: with the
 * helper that the configuration names, else as plain text in the file. What is refused is not kept.
 * Errors: AUTH if it is refused, or cannot be kept; NOT_FOUND for what is no registry; INVALID_REFERENCE, UNSUPPORTED,
 * UNREACHABLE, RESPONSE, LOCKED, and those of the file system.
 */
export async function login(
  registry: string,
  credential: Credential,
  options: LoginOptions = {},
): Promise<LoginResult> {
  const { signal, onEvent } = options
  expectStorable(credential)
  expectHelperTimeout(options.helperTimeout)
  let isChecked = false
  const asked = (): Credential => {
    isChecked = true
    return credential
  }
  const opened = new Registry(registry, { ...options, credential: asked })
  try {
    await opened.ping({ signal, onEvent })
  } finally {
    await opened.close()
  }
  // Sent without being asked for, it may not have been looked at.
  if (options.authentication === 'basic' && (await letsEverybodyIn(registry, options))) isChecked = false
  const place = await storeCredential(opened.registry, credential, options)
  return { ...place, isChecked }
}

async function letsEverybodyIn(registry: string, options: LoginOptions): Promise<boolean> {
  const { signal, onEvent } = options
  await using anonymous = new Registry(registry, { ...options, credential: undefined })
  try {
    await anonymous.ping({ signal, onEvent })
    return true
  } catch (error) {
    if (error instanceof AuthError) return false
    throw error
  }
}

/**
 * Forgets the credential for a registry; false if there was none. Those for namespaces in it stay, and those that other
 * files have. Errors: INVALID_REFERENCE, AUTH, LOCKED, and those of the file system.
 */
export async function logout(registry: string, options: LogoutOptions = {}): Promise<boolean> {
  expectRegistry(registry)
  return eraseCredential(registry, options)
}

/**
 * What could not be read again: Basic authentication and the files join a name and a password by a colon, docker has
 * filled the ends of passwords with zeros, and helpers know an identity token by the name `<token>`.
 */
function expectStorable(credential: Credential): void {
  if ('username' in credential && credential.username?.includes(':') === true) {
    throw new UnsupportedError('a user name with a colon cannot be told from its password')
  }
  if ('password' in credential && credential.username === tokenUser) {
    throw new UnsupportedError(`the user name ${tokenUser} stands for an identity token, not for a password`)
  }
  if ('password' in credential && credential.password.endsWith('\0')) {
    throw new UnsupportedError('a password cannot end with a zero byte')
  }
  if (Object.values(credential).includes('')) throw new UnsupportedError('a part of the credential is empty')
}
