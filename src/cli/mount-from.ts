import { isRepository, redacted } from '../content/reference.ts'
import type { CopyOptions } from '../copy/options.ts'
import type { Place } from './references.ts'
import { usageError } from './usage-error.ts'

/** What `--mount-from` means: repositories of the destination's registry, whose host may be written in front. Throws a usage error. */
export function mountRepositories(names: readonly string[], destination: Place): CopyOptions['mountFrom'] {
  if (names.length === 0) return undefined
  if (destination.kind !== 'repository') {
    throw usageError('--mount-from needs a destination in a registry: a layout does not mount')
  }
  const prefix = `${destination.registry}/`
  const repositories = names.map((name) => (name.startsWith(prefix) ? name.slice(prefix.length) : name))
  const wrong = repositories.find((name) => !isRepository(name))
  if (wrong !== undefined) {
    throw usageError(
      `--mount-from ${JSON.stringify(redacted(wrong))} is no repository of ${destination.registry}: write its name, such as library/alpine`,
    )
  }
  return () => repositories
}
