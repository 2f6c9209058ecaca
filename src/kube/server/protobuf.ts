/**
 * Reads the Kubernetes protobuf encoding, in which kubectl's `create namespace`, `create configmap` and their like send
 * objects (they do not fall back to JSON). Only bodies of requests: answers are always JSON, which those clients accept.
 * A field that the tables below lack is an error and never dropped in silence.
 */
import { rfc3339Seconds } from '#core/lib/time.ts'
import { unsupportedMediaType } from './api-error.ts'
import { isObject, type Json, type JsonObject } from './json.ts'

export const protobufType = 'application/vnd.kubernetes.protobuf'

/**
 * Field name and type by field number. Types: string, int, bool, bytes, time, intOrString, or a message's name; `[]`
 * before it: repeated; `{}` before it: map by string; `!` after it: zero values count (a pointer in the Go type).
 */
type Message = Record<number, [name: string, type: string]>

const messages: Record<string, Message> = {
  ObjectMeta: {
    1: ['name', 'string'],
    2: ['generateName', 'string'],
    3: ['namespace', 'string'],
    4: ['selfLink', 'string'],
    5: ['uid', 'string'],
    6: ['resourceVersion', 'string'],
    7: ['generation', 'int'],
    8: ['creationTimestamp', 'time'],
    9: ['deletionTimestamp', 'time'],
    10: ['deletionGracePeriodSeconds', 'int!'],
    11: ['labels', '{}string'],
    12: ['annotations', '{}string'],
    13: ['ownerReferences', '[]OwnerReference'],
    14: ['finalizers', '[]string'],
  },
  OwnerReference: {
    1: ['kind', 'string'],
    3: ['name', 'string'],
    4: ['uid', 'string'],
    5: ['apiVersion', 'string'],
    6: ['controller', 'bool!'],
    7: ['blockOwnerDeletion', 'bool!'],
  },
  Namespace: {
    1: ['metadata', 'ObjectMeta'],
    2: ['spec', 'NamespaceSpec'],
    3: ['status', 'NamespaceStatus'],
  },
  NamespaceSpec: { 1: ['finalizers', '[]string'] },
  NamespaceStatus: { 1: ['phase', 'string'] },
  ConfigMap: {
    1: ['metadata', 'ObjectMeta'],
    2: ['data', '{}string'],
    3: ['binaryData', '{}bytes'],
    4: ['immutable', 'bool!'],
  },
  Secret: {
    1: ['metadata', 'ObjectMeta'],
    2: ['data', '{}bytes'],
    3: ['type', 'string'],
    4: ['stringData', '{}string'],
    5: ['immutable', 'bool!'],
  },
  ServiceAccount: {
    1: ['metadata', 'ObjectMeta'],
    3: ['imagePullSecrets', '[]LocalObjectReference'],
    4: ['automountServiceAccountToken', 'bool!'],
  },
  LocalObjectReference: { 1: ['name', 'string'] },
  Service: { 1: ['metadata', 'ObjectMeta'], 2: ['spec', 'ServiceSpec'], 3: ['status', 'ServiceStatus'] },
  ServiceSpec: {
    1: ['ports', '[]ServicePort'],
    2: ['selector', '{}string'],
    3: ['clusterIP', 'string'],
    4: ['type', 'string'],
    5: ['externalIPs', '[]string'],
    7: ['sessionAffinity', 'string'],
    8: ['loadBalancerIP', 'string'],
    9: ['loadBalancerSourceRanges', '[]string'],
    10: ['externalName', 'string'],
    11: ['externalTrafficPolicy', 'string'],
    12: ['healthCheckNodePort', 'int'],
    13: ['publishNotReadyAddresses', 'bool'],
    17: ['ipFamilyPolicy', 'string!'],
    18: ['clusterIPs', '[]string'],
    19: ['ipFamilies', '[]string'],
    20: ['allocateLoadBalancerNodePorts', 'bool!'],
    21: ['loadBalancerClass', 'string!'],
    22: ['internalTrafficPolicy', 'string!'],
    23: ['trafficDistribution', 'string!'],
  },
  ServicePort: {
    1: ['name', 'string'],
    2: ['protocol', 'string'],
    3: ['port', 'int'],
    4: ['targetPort', 'intOrString'],
    5: ['nodePort', 'int'],
    6: ['appProtocol', 'string!'],
  },
  ServiceStatus: { 1: ['loadBalancer', 'LoadBalancerStatus'] },
  LoadBalancerStatus: { 1: ['ingress', '[]LoadBalancerIngress'] },
  LoadBalancerIngress: { 1: ['ip', 'string'], 2: ['hostname', 'string'], 3: ['ipMode', 'string!'] },
  Deployment: {
    1: ['metadata', 'ObjectMeta'],
    2: ['spec', 'DeploymentSpec'],
    3: ['status', 'DeploymentStatus'],
  },
  DeploymentSpec: {
    1: ['replicas', 'int!'],
    2: ['selector', 'LabelSelector'],
    3: ['template', 'PodTemplateSpec'],
    4: ['strategy', 'DeploymentStrategy'],
    5: ['minReadySeconds', 'int'],
    6: ['revisionHistoryLimit', 'int!'],
    7: ['paused', 'bool'],
    9: ['progressDeadlineSeconds', 'int!'],
  },
  DeploymentStrategy: { 1: ['type', 'string'], 2: ['rollingUpdate', 'RollingUpdate'] },
  RollingUpdate: { 1: ['maxUnavailable', 'intOrString'], 2: ['maxSurge', 'intOrString'] },
  DeploymentStatus: {
    1: ['observedGeneration', 'int'],
    2: ['replicas', 'int'],
    3: ['updatedReplicas', 'int'],
    4: ['availableReplicas', 'int'],
    5: ['unavailableReplicas', 'int'],
    7: ['readyReplicas', 'int'],
  },
  LabelSelector: { 1: ['matchLabels', '{}string'], 2: ['matchExpressions', '[]LabelSelectorRequirement'] },
  LabelSelectorRequirement: { 1: ['key', 'string'], 2: ['operator', 'string'], 3: ['values', '[]string'] },
  PodTemplateSpec: { 1: ['metadata', 'ObjectMeta'], 2: ['spec', 'PodSpec'] },
  PodSpec: {
    2: ['containers', '[]Container'],
    3: ['restartPolicy', 'string'],
    4: ['terminationGracePeriodSeconds', 'int!'],
    5: ['activeDeadlineSeconds', 'int!'],
    6: ['dnsPolicy', 'string'],
    7: ['nodeSelector', '{}string'],
    8: ['serviceAccountName', 'string'],
    9: ['serviceAccount', 'string'],
    10: ['nodeName', 'string'],
    11: ['hostNetwork', 'bool'],
    12: ['hostPID', 'bool'],
    13: ['hostIPC', 'bool'],
    16: ['hostname', 'string'],
    17: ['subdomain', 'string'],
    19: ['schedulerName', 'string'],
    20: ['initContainers', '[]Container'],
    24: ['priorityClassName', 'string'],
  },
  Container: {
    1: ['name', 'string'],
    2: ['image', 'string'],
    3: ['command', '[]string'],
    4: ['args', '[]string'],
    5: ['workingDir', 'string'],
    6: ['ports', '[]ContainerPort'],
    7: ['env', '[]EnvVar'],
    8: ['resources', 'Empty'],
    13: ['terminationMessagePath', 'string'],
    14: ['imagePullPolicy', 'string'],
    16: ['stdin', 'bool'],
    17: ['stdinOnce', 'bool'],
    18: ['tty', 'bool'],
    20: ['terminationMessagePolicy', 'string'],
  },
  ContainerPort: {
    1: ['name', 'string'],
    2: ['hostPort', 'int'],
    3: ['containerPort', 'int'],
    4: ['protocol', 'string'],
    5: ['hostIP', 'string'],
  },
  EnvVar: { 1: ['name', 'string'], 2: ['value', 'string'] },
  DeleteOptions: {
    1: ['gracePeriodSeconds', 'int!'],
    2: ['preconditions', 'Preconditions'],
    3: ['orphanDependents', 'bool!'],
    4: ['propagationPolicy', 'string!'],
    5: ['dryRun', '[]string'],
  },
  Preconditions: { 1: ['uid', 'string!'], 2: ['resourceVersion', 'string!'] },
  Empty: {},
}

/** `runtime.Unknown`, in which every object travels behind the four bytes `k8s\0`. */
const unknownMessage: Message = {
  1: ['type', 'TypeMeta'],
  2: ['raw', 'raw'],
  3: ['contentEncoding', 'string'],
  4: ['contentType', 'string'],
}
messages['TypeMeta'] = { 1: ['apiVersion', 'string'], 2: ['kind', 'string'] }

/** The object in `body`. Throws UnsupportedMediaType for what it cannot read. */
export function readProtobuf(body: Uint8Array): JsonObject {
  if (body.length < 4 || Buffer.from(body.subarray(0, 4)).toString('latin1') !== 'k8s\0')
    throw refused('no k8s prefix')
  const envelope = readMessage(body.subarray(4), unknownMessage, 'Unknown')
  const type = isObject(envelope['type']) ? envelope['type'] : {}
  const { kind, apiVersion } = type
  const message = typeof kind === 'string' && Object.hasOwn(messages, kind) ? messages[kind] : undefined
  if (typeof kind !== 'string' || message === undefined)
    throw refused(`${JSON.stringify(kind ?? null)} is not read in this encoding`)
  const raw = Buffer.from(typeof envelope['raw'] === 'string' ? envelope['raw'] : '', 'base64')
  return { apiVersion, kind, ...readMessage(raw, message, kind) }
}

function readMessage(bytes: Uint8Array, message: Message, name: string): JsonObject {
  const object: JsonObject = {}
  for (const { number, value } of fields(bytes)) {
    const field = message[number]
    if (field === undefined) throw refused(`field ${number} of ${name} is not read in this encoding`)
    const [key, type] = field
    if (type.startsWith('{}')) {
      const entry = readEntry(value, type.slice(2))
      const map = isObject(object[key]) ? object[key] : {}
      object[key] = Object.assign(map, entry)
    } else if (type.startsWith('[]')) {
      const list = Array.isArray(object[key]) ? object[key] : []
      list.push(readValue(value, type.slice(2)))
      object[key] = list
    } else {
      const pointer = type.endsWith('!')
      const read = readValue(value, pointer ? type.slice(0, -1) : type)
      if (pointer || (read !== '' && read !== 0 && read !== false && read !== null)) object[key] = read
    }
  }
  return object
}

function readEntry(value: bigint | Uint8Array, type: string): JsonObject {
  if (typeof value === 'bigint') throw refused('a map is not an entry')
  let key = ''
  let content: Json = ''
  for (const field of fields(value)) {
    if (field.number === 1) key = readValue(field.value, 'string') as string
    if (field.number === 2) content = readValue(field.value, type)
  }
  return Object.fromEntries([[key, content]])
}

function readValue(value: bigint | Uint8Array, type: string): Json {
  if (typeof value === 'bigint') {
    if (type === 'bool') return value !== 0n
    if (type === 'int') return Number(BigInt.asIntN(64, value))
    throw refused(`a number is no ${type}`)
  }
  switch (type) {
    case 'string':
      return Buffer.from(value).toString()
    case 'bytes':
    case 'raw':
      return Buffer.from(value).toString('base64')
    case 'time': {
      const seconds = fields(value).find((field) => field.number === 1)?.value
      if (typeof seconds !== 'bigint') return null
      // Signed: Go's zero time is long before 1970. What Date cannot hold is no time that a client means.
      const ms = 1000 * Number(BigInt.asIntN(64, seconds))
      if (Number.isNaN(new Date(ms).getTime())) throw refused('a time in it is out of bounds')
      return rfc3339Seconds(ms)
    }
    case 'intOrString': {
      const parts = new Map(fields(value).map((field) => [field.number, field.value]))
      const isString = parts.get(1) === 1n
      return isString
        ? readValue(parts.get(3) ?? new Uint8Array(), 'string')
        : readValue(parts.get(2) ?? 0n, 'int')
    }
    default: {
      const message = Object.hasOwn(messages, type) ? messages[type] : undefined
      if (message === undefined) throw refused(`bytes are no ${type}`)
      return readMessage(value, message, type)
    }
  }
}

/** The fields of a message in order: varints as bigints, length-delimited ones as bytes. */
function fields(bytes: Uint8Array): { number: number; value: bigint | Uint8Array }[] {
  const result: { number: number; value: bigint | Uint8Array }[] = []
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++]
      if (byte === undefined) throw refused('it ends in the middle of a field')
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    throw refused('a number in it is too long')
  }
  while (at < bytes.length) {
    const tag = Number(varint())
    const number = tag >>> 3
    if ((tag & 7) === 0) result.push({ number, value: varint() })
    else if ((tag & 7) === 2) {
      const length = Number(varint())
      if (length > bytes.length - at) throw refused('it ends in the middle of a field')
      result.push({ number, value: bytes.subarray(at, at + length) })
      at += length
    } else throw refused(`wire type ${tag & 7} is not used by Kubernetes`)
  }
  return result
}

function refused(why: string) {
  return unsupportedMediaType(`${protobufType}: ${why}`, ['application/json', 'application/yaml'])
}
