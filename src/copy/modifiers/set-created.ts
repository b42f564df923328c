import { isObject } from '../document.ts'
import { withField } from './fields.ts'
import { changeConfig, isImage, isList } from './image.ts'
import type { Json, JsonObject, Modifier } from './modifier.ts'
import { timestamp } from './timestamp.ts'

const createdAnnotation = 'org.opencontainers.image.created'

/**
 * Gives images one time of creation, so that what differs by that alone has one digest: in their configs and in each
 * entry of the history that has a time; and in every manifest, where it has the annotation
 * `org.opencontainers.image.created`, or an entry of an index has. The files in layers keep their times.
 *
 * `created` is an ISO 8601 date, with or without a time and its zone, or seconds since 1970, also in digits, as
 * SOURCE_DATE_EPOCH has them. Error: RangeError.
 */
export function setCreated(created: string | number): Modifier {
  const time = timestamp(created)
  return {
    id: 'created',
    parameters: { created: time },
    async apply(node) {
      if (node.kind === 'blob') return 'keep'
      const document = isImage(node)
        ? await changeConfig(node, (config) => dated(config, time))
        : node.document
      return { document: annotated(document, time) }
    },
  }
}

function dated(config: JsonObject, time: string): JsonObject {
  const { history } = config
  const entries = isList(history) ? history.map((entry) => replaceTime(entry, 'created', time)) : undefined
  return withField(withField(config, 'created', time), 'history', entries)
}

function annotated(document: JsonObject, time: string): JsonObject {
  const own = { ...document, ...changedAnnotations(document, time) }
  if (!isList(document['manifests'])) return own
  const manifests = document['manifests'].map((entry) =>
    isObject(entry) ? { ...entry, ...changedAnnotations(entry, time) } : entry,
  )
  return { ...own, manifests }
}

function changedAnnotations({ annotations }: JsonObject, time: string): JsonObject {
  return isObject(annotations) ? { annotations: replaceTime(annotations, createdAnnotation, time) } : {}
}

/** Only where there is one. */
function replaceTime(object: Json, name: string, time: string): Json {
  return isObject(object) && typeof object[name] === 'string' ? { ...object, [name]: time } : object
}
