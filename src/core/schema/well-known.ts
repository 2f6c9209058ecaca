/** Names that Kubernetes and Herald agree with others on: labels and API versions. */

/** On a Node: its host name. */
export const hostnameLabel = 'kubernetes.io/hostname'

/** On a Node: its operating system, `linux`. */
export const osLabel = 'kubernetes.io/os'

/** On a Node: no load balancer shall send traffic to it. */
export const excludeLabel = 'node.kubernetes.io/exclude-from-external-load-balancers'

/** On an EndpointSlice: the name of its Service. */
export const serviceNameLabel = 'kubernetes.io/service-name'

/** Of Herald's own resources. */
export const heraldApiVersion = 'herald.dev/v1alpha1'
