using Dma.Machine;

namespace Dma.Hal;

/// <summary>Configuration space in memory (PCI Express, ECAM): 4096 bytes for each function.</summary>
/// <param name="cpu">The processor whose memory space it is.</param>
/// <param name="address">Where bus 0 would lie, as the MCFG table says it.</param>
/// <param name="startBus">The first bus, 0 to 255.</param>
/// <param name="endBus">The last bus; functions on others do not answer.</param>
public sealed class PciMappedConfiguration(ICpu cpu, GuestPhysicalAddress address, byte startBus, byte endBus) : IPciConfiguration
{
    /// <inheritdoc/>
    public IConfigurationAccess Open(SourceId function) =>
        new Function(cpu, function.Bus >= startBus && function.Bus <= endBus
            ? new RegisterWindow(cpu, address + ((ulong)function.Value << 12), PciOffset.End)
            : new RegisterWindow(cpu, address, 0));

    private sealed class Function(ICpu cpu, RegisterWindow window) : IConfigurationAccess
    {
        public uint Read(int offset, int width)
        {
            ConfigurationAccess.Check(offset, width);
            return (uint)window.Read(offset, width);
        }

        public void Write(int offset, int width, uint value)
        {
            ConfigurationAccess.Check(offset, width);
            window.Write(offset, width, value);

            // Unlike other stores to memory space, this one waits until the function has taken it.
            cpu.Processor.Charge(Cost.RegisterAccess);
        }
    }
}
