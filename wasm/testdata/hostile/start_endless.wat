;; load: start took longer
(module (func $s (loop $l (br $l))) (start $s) (func (export "f")))
