/** Stand-ins for `@std/bytes`, for machines without JSR: see ../../registry.ts. */
export * from "./concat.ts";
export * from "./index_of_needle.ts";
