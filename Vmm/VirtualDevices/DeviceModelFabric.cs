using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What stands between the virtual functions of a VM and its memory, with a record of what those cost that are made of software.</summary>
/// <remarks>
/// What such a device reads or writes, a processor of the host copies: each access is a copy, charged to the VMM. Its
/// interrupt takes the guest out of what it does, unless it is posted. The time of the copies is not added to that of the bus that the device
/// imitates, which is the longer one.
/// </remarks>
/// <param name="machine">The VM.</param>
/// <param name="inner">What is behind.</param>
internal sealed class DeviceModelFabric(VirtualMachine machine, IDmaFabric inner) : IDmaFabric
{
    // Which functions are made of software, and whether a processor of their own does their work.
    private readonly Dictionary<SourceId, bool> _models = [];

    /// <summary>A function is made of software; it is not plugged in yet.</summary>
    /// <param name="source">Its place in the guest's PCI hierarchy.</param>
    /// <param name="isPolled">Whether another processor does its work, and posts its interrupts where they can be.</param>
    public void Add(SourceId source, bool isPolled) => _models.Add(source, isPolled);

    /// <summary>It is gone.</summary>
    public void Remove(SourceId source) => _models.Remove(source);

    /// <inheritdoc/>
    public IDmaPort Open(SourceId source) =>
        _models.TryGetValue(source, out bool isPolled) ? new Port(machine, inner.Open(source), isPolled) : inner.Open(source);

    /// <inheritdoc/>
    public void Connect(SourceId source, IDeviceTlb? deviceTlb) => inner.Connect(source, deviceTlb);

    private sealed class Port(VirtualMachine machine, IDmaPort inner, bool isPolled) : IDmaPort
    {
        public SourceId Source => inner.Source;

        public DmaStatus Read(Iova address, Span<byte> destination, DmaAttributes attributes = default)
        {
            Copied(destination.Length);
            return inner.Read(address, destination, attributes);
        }

        public DmaStatus Write(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes = default)
        {
            if (!InterruptRange.Contains(address.Value))
                Copied(source.Length);
            else if (machine.Schedule.State == GuestState.Running && !(isPolled && machine.Schedule.Posting is not null))
                machine.Cpu.Processor.Charge(Cost.Exit);
            return inner.Write(address, source, attributes);
        }

        private void Copied(int bytes)
        {
            Processor vmm = machine.Host.Cpu.Processor;
            vmm.Count(Cost.Copy);
            vmm.Count(Cost.CopiedByte, (ulong)bytes);
        }
    }
}
