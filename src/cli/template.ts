import { InvalidArgumentError } from 'commander'
import type { Descriptor } from '../content/descriptor.ts'
import { printable } from '../content/printable.ts'

/** What a template is filled with. */
export interface TemplateFields {
  readonly descriptor: Descriptor
  readonly reference: string
}

/** A line for a descriptor, without its end; what is filled in is printable. */
export type Template = (fields: TemplateFields) => string

const readers = {
  reference: ({ reference }: TemplateFields) => reference,
  mediaType: ({ descriptor }: TemplateFields) => descriptor.mediaType,
  digest: ({ descriptor }: TemplateFields) => descriptor.digest,
  size: ({ descriptor }: TemplateFields) => String(descriptor.size),
  artifactType: ({ descriptor }: TemplateFields) => descriptor.artifactType ?? '',
} as const

/** Reads `{{digest}} {{artifactType}} {{annotations.KEY}}`; a dot in front, as in Go, is allowed. Throws a usage error. */
export function parseTemplate(text: string): Template {
  // What stands between the braces is every other part.
  const parts = text.split(/\{\{(.*?)\}\}/s)
  const writers = parts.map((part, at): Template =>
    at % 2 === 0 ? () => part : reader(part.trim().replace(/^\./, '')),
  )
  return (fields) => writers.map((write) => write(fields)).join('')
}

function reader(name: string): Template {
  const key = /^annotations\.(.+)$/s.exec(name)?.[1]
  if (key !== undefined) return ({ descriptor }) => printable(annotationOf(descriptor, key))
  const [, read] = Object.entries(readers).find(([known]) => known === name) ?? []
  if (read !== undefined) return (fields) => printable(read(fields))
  throw new InvalidArgumentError(
    `Expected names such as {{digest}}: ${Object.keys(readers).join(', ')}, annotations.KEY.`,
  )
}

/** Own properties alone: a key may be the name of something that every object has. */
function annotationOf({ annotations = {} }: Descriptor, key: string): string {
  return Object.hasOwn(annotations, key) ? (annotations[key] ?? '') : ''
}
