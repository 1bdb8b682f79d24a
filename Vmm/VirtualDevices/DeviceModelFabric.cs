using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What stands between the virtual functions of a VM and its memory, with a record of what those cost that are made of software.</summary>
/// <remarks>
/// What such a device reads or writes, a processor of the host copies: each access is a copy, charged to the VMM, or to the
/// process that the model runs in. Its interrupt takes the guest out of what it does, unless it is posted. The time of the copies
/// is not added to that of the bus that the device imitates, which is the longer one.
/// </remarks>
/// <param name="machine">The VM.</param>
/// <param name="inner">What is behind.</param>
internal sealed class DeviceModelFabric(VirtualMachine machine, IDmaFabric inner) : IDmaFabric
{
    private readonly Dictionary<SourceId, Model> _models = [];

    /// <summary>A function is made of software; it is not plugged in yet.</summary>
    /// <param name="source">Its place in the guest's PCI hierarchy.</param>
    /// <param name="memory">How it gets at memory; null for a model that runs in the VMM.</param>
    /// <param name="isPolled">Whether another processor does its work, and posts its interrupts where they can be.</param>
    public void Add(SourceId source, IModelMemory? memory, bool isPolled) => _models.Add(source, new(memory, isPolled));

    /// <summary>It is gone.</summary>
    public void Remove(SourceId source) => _models.Remove(source);

    /// <inheritdoc/>
    public IDmaPort Open(SourceId source) =>
        _models.TryGetValue(source, out Model model) ? new Port(machine, inner.Open(source), model.Memory, model.IsPolled) : inner.Open(source);

    /// <inheritdoc/>
    public void Connect(SourceId source, IDeviceTlb? deviceTlb) => inner.Connect(source, deviceTlb);

    private readonly record struct Model(IModelMemory? Memory, bool IsPolled);

    private sealed class Port(VirtualMachine machine, IDmaPort inner, IModelMemory? memory, bool isPolled) : IDmaPort
    {
        public SourceId Source => inner.Source;

        public DmaStatus Read(Iova address, Span<byte> destination, DmaAttributes attributes = default)
        {
            if (memory is not null)
                return memory.Read(new(address.Value), destination);
            Copied(destination.Length);
            return inner.Read(address, destination, attributes);
        }

        public DmaStatus Write(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes = default)
        {
            if (InterruptRange.Contains(address.Value))
                return Interrupt(address, source, attributes);
            if (memory is not null)
                return memory.Write(new(address.Value), source);
            Copied(source.Length);
            return inner.Write(address, source, attributes);
        }

        private DmaStatus Interrupt(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes)
        {
            if (memory?.TryInterrupt() == false)
                return DmaStatus.Unclaimed;
            if (machine.Schedule.State == GuestState.Running && !(isPolled && machine.Schedule.Posting is not null))
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
