;; Masks 128 bits at a time. framing/mask_simd.ts contains the bytes of this program, which a test assembles.
(module
  (memory (export "memory") 1)
  ;; Masks the first $length bytes of the memory, a multiple of 16 and not 0. Returns 0 if and only if the result is ASCII.
  (func (export "mask") (param $length i32) (param $key i32) (result i32)
    (local $at i32) (local $seen v128) (local $masked v128)
    (loop $next
      (v128.store (local.get $at)
        (local.tee $masked (v128.xor (v128.load (local.get $at)) (i32x4.splat (local.get $key)))))
      (local.set $seen (v128.or (local.get $seen) (local.get $masked)))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $length))))
    (i8x16.bitmask (local.get $seen))))
