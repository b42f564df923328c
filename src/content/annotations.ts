/** https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md */
export type Annotations = Readonly<Record<string, string>>

/** The tag of an entry in an image layout's index.json (image-spec, "Pre-Defined Annotation Keys"). */
export const refNameAnnotation = 'org.opencontainers.image.ref.name'

/** Says which filters a registry applied to a list of referrers (distribution-spec 1.0; 1.1 uses a header). */
export const filtersAppliedAnnotation = 'org.opencontainers.referrers.filtersApplied'
