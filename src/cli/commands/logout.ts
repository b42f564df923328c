import { audited } from '../audit-log.ts'
import type { LogoutFlags } from '../flags.ts'
import { runCommand, writeWarning, type Party } from '../output/failure.ts'
import { writeData } from '../output/stdout.ts'
import type { CommandContext } from '../program.ts'
import { parseRegistryName } from '../references.ts'

/** `copygraph logout`: removes what is stored for a registry. */
export async function logout(text: string, flags: LogoutFlags, { signal }: CommandContext): Promise<number> {
  const registry = parseRegistryName(text)
  const party: Party = { name: registry, prefix: '--' }
  const { debug, auditLog } = flags
  return runCommand({ signal, debug, auditLog, source: party, destination: party }, async (log) => {
    const remote = await import('../../targets/remote/login.ts')
    const wasStored = await audited(log, { operation: 'logout', target: registry }, { signal }, () =>
      remote.logout(registry, { file: flags.registryConfig, signal }),
    )
    if (wasStored) await writeData(`Removed the credential for ${registry}\n`)
    else writeWarning(`there was no credential for ${registry}`)
  })
}
