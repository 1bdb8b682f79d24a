using System.Runtime.InteropServices;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>One VM as a merge engine knows it: where its schedules are, where in them it is, and what software is to hear.</summary>
/// <param name="number">Which slot, from 0 on.</param>
/// <param name="way">Its way to memory.</param>
/// <param name="changed">Told when it has status for software, or is running or not; and whether software is to be told at once.</param>
internal sealed class MergeSlot(int number, IDmaPort way, Action<MergeSlot, bool> changed)
{
    private const int SightingsForDoorbell = 2;

    private int _sightings;

    /// <summary>Which slot, from 0 on.</summary>
    public int Number => number;

    /// <summary>Whether its asynchronous list runs.</summary>
    public bool RunsAsync { get; private set; }

    /// <summary>Whether its periodic list runs.</summary>
    public bool RunsPeriodic { get; private set; }

    /// <summary>Whether anything of it runs.</summary>
    public bool IsRunning => RunsAsync || RunsPeriodic;

    /// <summary>How long its frame list is.</summary>
    public FrameListSize FrameListSize { get; private set; }

    /// <summary>Whether its transfers to address 0 wait.</summary>
    public bool HoldsZero { get; private set; }

    /// <summary>Whether its doorbell is rung.</summary>
    public bool IsRinging { get; private set; }

    /// <summary>Bits 63:32 of the addresses of its structures.</summary>
    public uint Segment { get; set; }

    /// <summary>Where its frame list is.</summary>
    public uint Frames { get; set; }

    /// <summary>Where its asynchronous list goes on.</summary>
    public uint Ring { get; set; }

    /// <summary>How many frames its frame index is ahead.</summary>
    public uint Shift { get; set; }

    /// <summary>The most periodic time in a microframe, in nanoseconds.</summary>
    public uint ShareNs { get; set; } = PeriodicBudget.LimitNs;

    /// <summary>What of that is used in this microframe.</summary>
    public uint UsedNs { get; set; }

    /// <summary>How often a periodic structure was left out.</summary>
    public uint CutOffs { get; set; }

    /// <summary>What comes behind the isochronous structures of the frame at hand.</summary>
    public LinkPointer Rest { get; set; }

    /// <summary>Structures of it that were come to in this microframe.</summary>
    public int Steps { get; set; }

    /// <summary>What software is to hear: see <see cref="MergeEngineOffsets.Status"/>.</summary>
    public uint Status { get; private set; }

    /// <summary>Root ports that software is to shut.</summary>
    public uint Shut { get; set; }

    /// <summary>CONTROL.</summary>
    public uint Control
    {
        get => (RunsAsync ? 1u : 0) | (RunsPeriodic ? 2u : 0) | ((uint)FrameListSize << 2) | (HoldsZero ? 1u << 4 : 0) | (IsRinging ? 1u << 6 : 0);
        set
        {
            (RunsAsync, RunsPeriodic, HoldsZero) = ((value & 1) != 0, (value & 2) != 0, (value >> 4 & 1) != 0);
            FrameListSize = (FrameListSize)(value >> 2 & 3);
            changed(this, false);
        }
    }

    /// <summary>Software hears something.</summary>
    public void Post(uint status)
    {
        bool isNotice = (status & ~Status & ~(StatusBits.Transfer | StatusBits.Error)) != 0;
        Status |= status;
        changed(this, isNotice);
    }

    /// <summary>Software has heard something.</summary>
    public void Clear(uint status)
    {
        Status &= ~status;
        changed(this, false);
    }

    /// <summary>It met what a controller of its own would stop at: nothing of it runs any more, until software has it run again.</summary>
    public void Fail()
    {
        if (!IsRunning)
            return;
        (RunsAsync, RunsPeriodic) = (false, false);
        Post(StatusBits.HostSystemError);
    }

    /// <summary>Its doorbell is rung: it wants to hear when nothing is held that it has unlinked.</summary>
    /// <param name="isAnsweredLate">Whether that takes its time.</param>
    public void RingDoorbell(bool isAnsweredLate)
    {
        (IsRinging, _sightings) = (true, 0);
        if (!isAnsweredLate)
            AnswerDoorbell();
    }

    /// <summary>A queue head was fetched that the VM marked as the head of its ring. Between two of them lies a whole round over what is linked now.</summary>
    public void SightHead()
    {
        if (IsRinging && ++_sightings >= SightingsForDoorbell)
            AnswerDoorbell();
    }

    /// <summary>Reads a part of a structure.</summary>
    /// <param name="address">Where, within its segment.</param>
    /// <param name="bytes">Gets the part.</param>
    /// <returns><c>false</c> where it has failed now, since no memory of it is there.</returns>
    public bool TryRead(uint address, Span<byte> bytes)
    {
        if (way.Read(new(((ulong)Segment << 32) | address), bytes) == DmaStatus.Success)
            return true;
        bytes.Clear();
        Fail();
        return false;
    }

    /// <inheritdoc cref="TryRead(uint, Span{byte})"/>
    public bool TryRead<T>(uint address, int size, out T structure)
        where T : unmanaged
    {
        structure = default;
        return TryRead(address, MemoryMarshal.AsBytes(new Span<T>(ref structure))[..size]);
    }

    /// <summary>Writes a part of a structure, as long as it runs.</summary>
    public void Write(uint address, ReadOnlySpan<byte> bytes) => WriteData(new(((ulong)Segment << 32) | address), bytes);

    /// <summary>Reads from a buffer.</summary>
    public bool TryReadData(Iova address, Span<byte> bytes)
    {
        if (way.Read(address, bytes) == DmaStatus.Success)
            return true;
        bytes.Clear();
        Fail();
        return false;
    }

    /// <summary>Writes to a buffer, as long as it runs.</summary>
    public void WriteData(Iova address, ReadOnlySpan<byte> bytes)
    {
        if (IsRunning && way.Write(address, bytes) != DmaStatus.Success)
            Fail();
    }

    /// <summary>Everything goes back to its reset value.</summary>
    public void Reset()
    {
        (Segment, Frames, Ring, Shift, ShareNs, CutOffs, Shut) = (0, 0, 0, 0, PeriodicBudget.LimitNs, 0, 0);
        (IsRinging, Status) = (false, 0);
        Control = 0;
    }

    private void AnswerDoorbell()
    {
        IsRinging = false;
        Post(StatusBits.AsyncAdvance);
    }
}
