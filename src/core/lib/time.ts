/** Times as text: RFC 3339 in UTC. `ms`: milliseconds since 1970. */

/** With milliseconds: `2026-01-01T00:00:00.000Z`. */
export function rfc3339(ms: number): string {
  return new Date(ms).toISOString()
}

/** In whole seconds, rounded down, as Kubernetes writes times (metav1.Time): `2026-01-01T00:00:00Z`. */
export function rfc3339Seconds(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}
