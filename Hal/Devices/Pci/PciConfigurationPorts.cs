using Dma.Machine;

namespace Dma.Hal;

/// <summary>Configuration space through the I/O ports CF8h and CFCh (PCI, configuration mechanism #1): the first 256 bytes of each function.</summary>
/// <param name="cpu">The processor whose ports they are.</param>
public sealed class PciConfigurationPorts(ICpu cpu) : IPciConfiguration
{
    private const ushort AddressPort = 0xCF8;
    private const ushort DataPort = 0xCFC;
    private const uint Enable = 1u << 31;

    /// <inheritdoc/>
    public IConfigurationAccess Open(SourceId function) => new Function(cpu, function);

    private sealed class Function(ICpu cpu, SourceId function) : IConfigurationAccess
    {
        public uint Read(int offset, int width)
        {
            ConfigurationAccess.Check(offset, width);
            if (offset >= PciOffset.Extended)
                return (uint)RegisterFile.AllOnes(width);
            Select(offset);
            return cpu.InPort((ushort)(DataPort + (offset & 3)), width);
        }

        public void Write(int offset, int width, uint value)
        {
            ConfigurationAccess.Check(offset, width);
            if (offset >= PciOffset.Extended)
                return;
            Select(offset);
            cpu.OutPort((ushort)(DataPort + (offset & 3)), width, value);
        }

        private void Select(int offset) =>
            cpu.OutPort(AddressPort, 4, Enable | ((uint)function.Value << 8) | ((uint)offset & 0xFC));
    }
}
