import { InvalidManifestError } from '../../errors.ts'
import { isObject } from '../document.ts'
import { withField, withTexts, type TextChanges } from './fields.ts'
import { changeConfig, isImage, isList, listOf } from './image.ts'
import type { Json, JsonObject, Modifier } from './modifier.ts'
import { timestamp } from './timestamp.ts'

/** What of an image's config is set; null removes it. */
export interface ConfigChanges {
  /** By name; the others stay. */
  readonly labels?: TextChanges | undefined
  /** Variables of the environment by name; the others stay. */
  readonly env?: TextChanges | undefined
  /** `user`, `uid`, `user:group` or `uid:gid`. */
  readonly user?: string | null | undefined
  readonly entrypoint?: readonly string[] | null | undefined
  /** Stays when the entrypoint changes, unlike in a Dockerfile. */
  readonly cmd?: readonly string[] | null | undefined
  readonly workingDir?: string | null | undefined
  /** A name or a number. */
  readonly stopSignal?: string | null | undefined
  /** An ISO 8601 date, or seconds since 1970. */
  readonly created?: string | number | null | undefined
  readonly author?: string | null | undefined
  /** Says in a new entry of the history what was done. @default none */
  readonly history?: string | undefined
}

/**
 * Edits the configs of images. Fields that are not named stay, unknown ones too. Artifacts, attestations and signatures
 * are left alone, though some have a config of that type. Errors: RangeError for a variable or label without a name, or
 * for what is no time; of a copy: INVALID_MANIFEST for a config whose fields are not of the types that they should be.
 */
export function editConfig(changes: ConfigChanges): Modifier {
  const { created, ...others } = structuredClone(changes)
  const edits = {
    ...others,
    created: created === undefined || created === null ? created : timestamp(created),
  }
  checkNames(edits)
  return {
    id: 'config',
    parameters: edits,
    async apply(node) {
      if (node.kind === 'blob' || !isImage(node)) return 'keep'
      return { document: await changeConfig(node, (config) => edit(config, edits)) }
    },
  }
}

type Edits = Omit<ConfigChanges, 'created'> & { readonly created: string | null | undefined }

function checkNames({ env = {}, labels = {} }: Edits): void {
  const variable = Object.keys(env).find((name) => name === '' || name.includes('='))
  if (variable !== undefined)
    throw new RangeError(`${JSON.stringify(variable)} cannot be the name of a variable`)
  if (Object.hasOwn(labels, '')) throw new RangeError('a label needs a name')
}

function edit(config: JsonObject, edits: Edits): JsonObject {
  const { created, author, history } = edits
  const top = withFields(config, { created, author, config: execution(config['config'], edits) })
  if (history === undefined) return top
  if (config['history'] !== null && config['history'] !== undefined && !isList(config['history'])) {
    throw new InvalidManifestError('the history in an image’s config is not a list')
  }
  const entry = { ...(created && { created }), created_by: history, empty_layer: true }
  return withField(top, 'history', [...historyOf(config), entry])
}

/** Clients count: where there is no history, each layer gets an empty entry before another one is added. */
function historyOf({ history, rootfs }: JsonObject): readonly Json[] {
  const known = listOf(history)
  if (known.length > 0) return known
  return listOf(isObject(rootfs) ? rootfs['diff_ids'] : undefined).map(() => ({}))
}

/** What a container is started with. */
function execution(before: Json | undefined, edits: Edits): Json | undefined {
  if (before !== undefined && before !== null && !isObject(before)) {
    throw new InvalidManifestError('the field config of an image’s config is not an object')
  }
  const { labels, env, user, entrypoint, cmd, workingDir, stopSignal } = edits
  const known = before ?? {}
  const after = withFields(known, {
    User: user,
    Env: withVariables(known['Env'], env),
    Entrypoint: entrypoint,
    Cmd: cmd,
    WorkingDir: workingDir,
    Labels: withTexts(known['Labels'], labels, 'Labels'),
    StopSignal: stopSignal,
  })
  return after === known ? undefined : after
}

function withFields(document: JsonObject, fields: Readonly<Record<string, Json | undefined>>): JsonObject {
  return Object.entries(fields).reduce((at, [name, value]) => withField(at, name, value), document)
}

/** Where a variable stands twice, programs differ in which one they take: one that is set stands once. */
function withVariables(before: Json | undefined, changes: TextChanges | undefined): Json | undefined {
  if (changes === undefined) return undefined
  if (before !== undefined && before !== null && !isList(before)) {
    throw new InvalidManifestError('the variables in an image’s config are not a list')
  }
  const pending = new Map(Object.entries(changes))
  const lines = listOf(before).flatMap((line) => {
    const name = nameOf(line)
    if (!Object.hasOwn(changes, name)) return [line]
    const value = pending.get(name)
    pending.delete(name)
    return typeof value === 'string' ? [`${name}=${value}`] : []
  })
  for (const [name, value] of pending) if (value !== null) lines.push(`${name}=${value}`)
  return lines.length === 0 ? null : lines
}

function nameOf(line: Json): string {
  if (typeof line !== 'string') throw new InvalidManifestError('a variable in an image’s config is not text')
  const end = line.indexOf('=')
  return end === -1 ? line : line.slice(0, end)
}
