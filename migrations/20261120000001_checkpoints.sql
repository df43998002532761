-- The last committed claim of each worker and route, and what became of its jobs. It is written in the transaction
-- that inserts the rows: rows and checkpoint commit together or not at all.
CREATE TABLE IF NOT EXISTS rowcast_checkpoints (
    worker_id  CHAR(26) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    route      VARCHAR(191) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    claim_seq  BIGINT UNSIGNED NOT NULL DEFAULT 0,
    fenced     TINYINT NOT NULL DEFAULT 0,
    outcome    LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    updated_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
    PRIMARY KEY (worker_id, route)
) ENGINE = InnoDB COMMENT = 'rowcast: last committed claim of each worker and route';
