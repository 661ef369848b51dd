/** Stand-ins for `@std/streams`, for machines without JSR: see ../../registry.ts. */
export * from "./to_array_buffer.ts";
export * from "./to_text.ts";
export * from "./text_line_stream.ts";
