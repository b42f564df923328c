import { printable } from '../content/printable.ts'
import type { FoundReferrer } from './find-referrers.ts'
import { indentTree } from './indent-tree.ts'

/** A subject's referrers as `oras discover` shows them: under each manifest the artifact types, under each type the digests. Text from outside is printable. */
export function renderReferrers(title: string, referrers: readonly FoundReferrer[]): string {
  const root: Entry = { text: title, referrers }
  return indentTree<Entry>(root, (entry) => ({
    text: printable(entry.text),
    children: 'types' in entry ? entry.types : byType(entry.referrers),
  }))
}

type Entry =
  | { readonly text: string; readonly referrers: readonly FoundReferrer[] }
  | { readonly text: string; readonly types: readonly Entry[] }

function byType(referrers: readonly FoundReferrer[]): readonly Entry[] {
  const types = Map.groupBy(referrers, ({ descriptor }) => descriptor.artifactType ?? '(no artifact type)')
  return [...types].map(([text, found]) => ({
    text,
    types: found.map(({ descriptor: { digest }, referrers: above }) => ({ text: digest, referrers: above })),
  }))
}
