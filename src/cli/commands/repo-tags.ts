import { UnsupportedError } from '../../errors.ts'
import type { ListFlags } from '../flags.ts'
import { writeNames } from '../output/list.ts'
import type { CommandContext } from '../program.ts'
import { parsePlace } from '../references.ts'
import { runOnTarget } from '../run-on-target.ts'

/** `copygraph repo tags`: lists the tags of a repository or layout. */
export async function repoTags(text: string, flags: ListFlags, { signal }: CommandContext): Promise<number> {
  const place = parsePlace(text, { isLayout: flags.ociLayout })
  const { last, limit, format } = flags
  return runOnTarget({ operation: 'list', place, tags: [] }, flags, signal, async (target, options) => {
    if (target.tags === undefined) throw new UnsupportedError(`${text} cannot list its tags`)
    await writeNames(target.tags({ ...options, last, limit }), 'tags', format)
    return {}
  })
}
