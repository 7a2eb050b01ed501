/** The key pair that certificates of the WhatsApp stand-in are signed with; it signs nothing else anywhere. Curve25519. */
export const ROOT_PRIVATE = 'd0957f4a2bc6c0e4f6252990bfa0e50d0b68bcc5208681ec252d88b95009da74';
export const ROOT_PUBLIC = '174f8872af040494031ebba9f5042b6bc184dfafae930b0e4f7dad76b6c7bd31';
