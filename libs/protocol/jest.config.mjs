import { project } from '../../jest.preset.mjs';

export default project('protocol', import.meta.dirname);
