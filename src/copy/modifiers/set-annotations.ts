import { isImage } from './image.ts'
import { withField, withTexts, type TextChanges } from './fields.ts'
import type { ManifestNode, Modifier } from './modifier.ts'

/** Which manifests are annotated. */
export interface SetAnnotationsOptions {
  /**
   * `'root'`: the node that the copy was asked for; `'manifests'`: every manifest, indexes and artifacts among them;
   * `'images'`: the images that can be run, but no index.
   * @default 'root'
   */
  readonly on?: 'root' | 'manifests' | 'images' | undefined
}

/**
 * Sets annotations of manifests; null removes one. Docker's manifests get them too, where most clients overlook them.
 * Error: RangeError for an empty name.
 */
export function setAnnotations(annotations: TextChanges, options: SetAnnotationsOptions = {}): Modifier {
  const { on = 'root' } = options
  const changes = { ...annotations }
  if (Object.hasOwn(changes, '')) throw new RangeError('an annotation needs a name')
  return {
    id: 'annotations',
    parameters: { annotations: changes, on },
    apply(node) {
      if (node.kind === 'blob' || !chosen[on](node)) return 'keep'
      const { document } = node
      const texts = withTexts(document['annotations'], changes, 'annotations')
      return { document: withField(document, 'annotations', texts) }
    },
  }
}

const chosen: Readonly<Record<NonNullable<SetAnnotationsOptions['on']>, (node: ManifestNode) => boolean>> = {
  root: ({ isRequested }) => isRequested,
  manifests: () => true,
  images: isImage,
}
