import type { Credential } from '../../targets/remote/auth/credential.ts'
import { audited } from '../audit-log.ts'
import { secretWarnings, readConnection, readPassword } from '../connection.ts'
import type { LoginFlags } from '../flags.ts'
import { commandEvents } from '../output/command-events.ts'
import { runCommand, writeWarning, type Party } from '../output/failure.ts'
import { writeData } from '../output/stdout.ts'
import type { CommandContext } from '../program.ts'
import { canPrompt, prompt } from '../prompt.ts'
import { parseRegistryName } from '../references.ts'
import { transportOptions } from '../transport-options.ts'
import { usageError } from '../usage-error.ts'

/** `copygraph login`: checks a credential at a registry, and stores it. */
export async function login(text: string, flags: LoginFlags, { signal }: CommandContext): Promise<number> {
  const registry = parseRegistryName(text)
  const party: Party = { name: registry, prefix: '--', hasCredential: true }
  const { debug, auditLog } = flags
  return runCommand({ signal, debug, auditLog, source: party, destination: party }, async (log) => {
    const credential = await readCredential(flags, signal)
    const ofRegistry = { ...flags, username: undefined, password: undefined, passwordStdin: undefined }
    const connection = await readConnection(ofRegistry, '--', signal)
    const remote = await import('../../targets/remote/login.ts')
    const options = {
      ...transportOptions(registry, connection),
      file: connection.registryConfig,
      signal,
      onEvent: commandEvents(flags),
    }
    const { file, helper, isChecked } = await audited(
      log,
      { operation: 'login', target: registry },
      { signal },
      () => remote.login(registry, credential, options),
    ).catch((error: unknown) => {
      // What flags gave has a form that the library refuses, and says which.
      throw error instanceof RangeError ? usageError(error.message) : error
    })
    if (!isChecked)
      writeWarning(`${registry} did not ask for a credential: it is stored, but was not checked`)
    if (helper === undefined) writeWarning(`${file} has it as plain text; a credential helper would guard it`)
    await writeData('Login Succeeded\n')
  })
}

async function readCredential(flags: LoginFlags, signal: AbortSignal): Promise<Credential> {
  const { username, password, passwordStdin, identityToken, identityTokenStdin } = flags
  const given = [password, passwordStdin, identityToken, identityTokenStdin].filter(
    (flag) => flag !== undefined,
  )
  if (given.length > 1) {
    throw usageError('give one of --password, --password-stdin, --identity-token and --identity-token-stdin')
  }
  secretWarnings(flags, '--').forEach(writeWarning)
  if (identityToken !== undefined) {
    writeWarning(
      '--identity-token shows the token to everyone who lists processes: --identity-token-stdin does not',
    )
  }
  if (identityToken !== undefined || identityTokenStdin === true) {
    return {
      identityToken: identityToken ?? (await readPassword(signal)),
      ...(username !== undefined && { username }),
    }
  }
  if (username !== undefined && passwordStdin === true) {
    return { username, password: await readPassword(signal) }
  }
  return askFor({ username, password, canAsk: passwordStdin !== true && canPrompt() }, signal)
}

interface Told {
  readonly username: string | undefined
  readonly password: string | undefined
  readonly canAsk: boolean
}

async function askFor({ username, password, canAsk }: Told, signal: AbortSignal): Promise<Credential> {
  if (username !== undefined && password !== undefined) return { username, password }
  if (!canAsk) throw usageError('there is nobody to ask: give --username NAME --password-stdin')
  const answers = await prompt(
    [
      ...(username === undefined ? [{ text: 'Username: ' }] : []),
      ...(password === undefined ? [{ text: 'Password: ', isSecret: true }] : []),
    ],
    signal,
  )
  const [first = '', second = ''] = answers
  if (username !== undefined) return { username, password: first }
  return { username: first, password: password ?? second }
}
