using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The periodic time of a microframe: what does not fit any more, of all VMs together or of one, is left out.</summary>
internal sealed class MergeTime
{
    private uint _usedNs;
    private int _microframe;

    /// <summary>A microframe begins.</summary>
    /// <param name="microframe">Its number in the frame.</param>
    public void Begin(int microframe) => (_usedNs, _microframe) = (0, microframe);

    /// <summary>Whether an interrupt queue has its turn, and the time for it.</summary>
    /// <returns><c>false</c> where it would have a turn, and there is no time.</returns>
    public bool TryTake(MergeSlot slot, in QueueHead head)
    {
        EndpointCharacteristics endpoint = head.Characteristics;
        int bytes = endpoint.MaxPacketSize * Math.Max(head.Capabilities.Multiplier, 1);
        PeriodicEndpoint read = new(endpoint.Speed, IsIsochronous: false, In: true, bytes, 8), written = read with { In = false };
        uint ns = Has(head.Capabilities.StartMask) ? Math.Max(read.StartNs, written.StartNs) : 0;
        if (endpoint.Speed != EndpointSpeed.High && Has(head.Capabilities.CompleteMask))
            ns += Math.Max(read.CompleteNs, written.CompleteNs);
        return TryTake(slot, ns);
    }

    /// <summary>Whether the slot of an iTD that belongs to the microframe has time.</summary>
    /// <param name="slot">Whose.</param>
    /// <param name="words">The iTD; where there is no time for it, its slot is not active afterwards.</param>
    public void Take(MergeSlot slot, Span<uint> words)
    {
        ref uint word = ref words[(IsochronousTransferDescriptor.SlotsOffset / sizeof(uint)) + _microframe];
        IsochronousSlot own = new(new(word));
        if (!own.Active)
            return;
        const int firstPage = IsochronousTransferDescriptor.PagesOffset / sizeof(uint);
        int transactions = Math.Max(new IsochronousPointer(new(words[firstPage + 2])).Multiplier, 1);
        int bytes = Math.Min(own.Length, transactions * new IsochronousPointer(new(words[firstPage + 1])).MaxPacketSize);
        if (!TryTake(slot, TransactionTime.HighSpeedIsochronous(bytes) + ((uint)(transactions - 1) * TransactionTime.HighSpeedIsochronous(0))))
            word = (own with { Active = false }).Raw.Value;
    }

    /// <summary>Whether an siTD has its turn, and the time for it.</summary>
    /// <returns><c>false</c> where it would have a turn, and there is no time.</returns>
    public bool TryTake(MergeSlot slot, in SplitIsochronousTransferDescriptor descriptor)
    {
        PeriodicEndpoint need = new(EndpointSpeed.Full, IsIsochronous: true, descriptor.Endpoint.In, Math.Max(descriptor.State.TotalBytes, 1), 8);
        uint ns = (Has(descriptor.Schedule.StartMask) ? need.StartNs : 0) + (need.In && Has(descriptor.Schedule.CompleteMask) ? need.CompleteNs : 0);
        return !descriptor.State.Active || TryTake(slot, ns);
    }

    private bool Has(byte mask) => (mask >> _microframe & 1) != 0;

    private bool TryTake(MergeSlot slot, uint ns)
    {
        if (_usedNs + ns > PeriodicBudget.LimitNs || slot.UsedNs + ns > slot.ShareNs)
        {
            slot.CutOffs++;
            return false;
        }

        _usedNs += ns;
        slot.UsedNs += ns;
        return true;
    }
}
