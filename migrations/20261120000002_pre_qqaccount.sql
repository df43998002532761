-- The table of the default route: queue `message`, accountid <- time, openid <- stamp. A table of this name that is
-- there already stays as it is.
CREATE TABLE IF NOT EXISTS pre_qqaccount (
    id        BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    accountid BIGINT NOT NULL,
    openid    VARCHAR(191) NOT NULL,
    KEY accountid (accountid)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4;
