;; Fibonacci numbers, twice: by recursion, folded, and by iteration, flat.
(module $fib
  (func $rec (export "rec") (param $n i32) (result i64)
    (if (result i64) (i32.lt_u (local.get $n) (i32.const 2))
      (then (i64.extend_i32_u (local.get $n)))
      (else
        (i64.add
          (call $rec (i32.sub (local.get $n) (i32.const 1)))
          (call $rec (i32.sub (local.get $n) (i32.const 2)))))))
  (func (export "iter") (export "iterative") (param $n i32) (result i64)
    (local $a i64) (local $b i64) (local i64)
    i64.const 1
    local.set $b
    block $done
      loop $again
        local.get $n
        i32.eqz
        br_if $done
        local.get $a
        local.get $b
        local.tee $a
        i64.add
        local.set $b
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        br $again
      end $again
    end
    local.get $a))
