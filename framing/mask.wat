;; Masks 128 bits at a time. framing/mask_simd.ts contains the bytes of this program, which a test assembles.
(module
  (memory (export "memory") 2)
  ;; Masks the memory from $at to $end. Returns 0 if and only if the result is ASCII.
  (func (export "mask") (param $at i32) (param $end i32) (param $key i32) (result i32)
    (local $blocks i32) (local $block v128) (local $seen v128) (local $octet i32) (local $rest i32)
    (local.set $blocks
      (i32.add (local.get $at)
        (i32.and (i32.sub (local.get $end) (local.get $at)) (i32.const -16))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $blocks)))
        (v128.store (local.get $at)
          (local.tee $block (v128.xor (v128.load (local.get $at)) (i32x4.splat (local.get $key)))))
        (local.set $seen (v128.or (local.get $seen) (local.get $block)))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $next)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (i32.store8 (local.get $at)
          (local.tee $octet (i32.xor (i32.load8_u (local.get $at)) (local.get $key))))
        (local.set $rest (i32.or (local.get $rest) (local.get $octet)))
        (local.set $key (i32.rotr (local.get $key) (i32.const 8)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (i32.or (i8x16.bitmask (local.get $seen)) (i32.and (local.get $rest) (i32.const 0x80)))))
