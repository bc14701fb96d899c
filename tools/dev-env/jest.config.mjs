import { project } from '../../jest.preset.mjs';

export default project('constellation', import.meta.dirname);
