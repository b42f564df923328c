import type { ListFlags } from '../flags.ts'
import { writeNames } from '../output/list.ts'
import type { CommandContext } from '../program.ts'
import { parseRegistryPlace } from '../references.ts'
import { runConnected } from '../run-on-target.ts'

/** `copygraph repo ls`: lists the repositories of a registry, or those under a prefix. */
export async function repoLs(text: string, flags: ListFlags, { signal }: CommandContext): Promise<number> {
  const { registry, prefix } = parseRegistryPlace(text)
  const { last, limit = Infinity, format } = flags
  return runConnected(
    { operation: 'list', name: registry },
    flags,
    signal,
    async (targets, connection, options) => {
      const opened = await targets.openRegistry(registry, connection)
      const names = opened.repositories({ ...options, last, ...(prefix === '' && { limit }) })
      await writeNames(under(names, prefix, limit), 'repositories', format)
      return {}
    },
  )
}

async function* under(names: AsyncIterable<string>, prefix: string, limit: number): AsyncGenerator<string> {
  let count = 0
  for await (const name of names) {
    if (prefix !== '' && name !== prefix && !name.startsWith(`${prefix}/`)) continue
    yield name
    count += 1
    if (count === limit) return
  }
}
