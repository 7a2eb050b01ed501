import type { Dictionary } from '#domain/policy-document';
import { attributeNames, encodeAttribute, InvalidAttribute } from '#radius/dictionary';

/** The dictionary as policies know it: which attributes there are, and which values they take. */
export const policyDictionary: Dictionary = {
  names: attributeNames(),
  encodable: (name, value) => {
    try {
      encodeAttribute(name, value);
      return true;
    } catch (error) {
      if (error instanceof InvalidAttribute) return false;
      throw error;
    }
  },
};
