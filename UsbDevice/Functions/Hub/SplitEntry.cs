using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>One transaction in a translator, from its start-split to the complete-split that fetches its result.</summary>
/// <param name="bytesMax">The longest data that it holds.</param>
internal sealed class SplitEntry(int bytesMax)
{
    /// <summary>How far it came.</summary>
    public enum State
    {
        /// <summary>There is none.</summary>
        Free,

        /// <summary>It waits for the bus below.</summary>
        Waiting,

        /// <summary>It is on the bus below, or was; its result is known from <see cref="EndNs"/> on.</summary>
        Started,

        /// <summary>The host has the result; it is kept in case the host did not hear it.</summary>
        Collected,
    }

    private readonly byte[] _data = new byte[bytesMax];

    /// <summary>How far it came.</summary>
    public State Phase { get; set; }

    /// <summary>The token that goes out below.</summary>
    public UsbToken Token { get; private set; }

    /// <summary>Control, isochronous, bulk or interrupt.</summary>
    public TransferType Type { get; private set; }

    /// <summary>Whether the device is of low speed.</summary>
    public bool IsLowSpeed { get; private set; }

    /// <summary>Which data packet goes out below.</summary>
    public UsbPid DataPid { get; private set; }

    /// <summary>When it may go out at the earliest.</summary>
    public ulong EligibleNs { get; set; }

    /// <summary>When it went out.</summary>
    public ulong StartNs { get; set; }

    /// <summary>When it was over, or will be.</summary>
    public ulong EndNs { get; set; }

    /// <summary>Until when the next part of an isochronous OUT must come; 0 where all of it is there.</summary>
    public ulong NextPartByNs { get; set; }

    /// <summary>How often it went out.</summary>
    public int Attempts { get; set; }

    /// <summary>What the device answered.</summary>
    public UsbReply Reply { get; set; }

    /// <summary>Bytes of data, to the device or from it.</summary>
    public int Length { get; private set; }

    /// <summary>Bytes of data that the host has fetched already.</summary>
    public int Taken { get; set; }

    /// <summary>Whether the device sends.</summary>
    public bool IsIn => Token.Pid == UsbPid.In;

    /// <summary>The bytes of data.</summary>
    public ReadOnlySpan<byte> Data => _data.AsSpan(0, Length);

    /// <summary>Begins a transaction.</summary>
    /// <returns><c>false</c> where its data is too long.</returns>
    public bool TryBegin(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data, ulong eligibleNs)
    {
        if (data.Length > bytesMax)
            return false;
        (Phase, Token, Type, DataPid) = (State.Waiting, token with { Split = default }, token.Split.EndpointType, dataPid);
        IsLowSpeed = token.Split.SpeedOrStart && Type != TransferType.Isochronous;
        (EligibleNs, StartNs, EndNs, NextPartByNs) = (eligibleNs, 0, 0, 0);
        (Attempts, Length, Taken, Reply) = (0, 0, 0, default);
        return TryAppend(data);
    }

    /// <summary>Adds data behind what is there.</summary>
    /// <returns><c>false</c> where it does not fit.</returns>
    public bool TryAppend(ReadOnlySpan<byte> data)
    {
        if (data.Length > bytesMax - Length)
            return false;
        data.CopyTo(_data.AsSpan(Length));
        Length += data.Length;
        return true;
    }

    /// <summary>Whether a split is about the same endpoint; of a control endpoint, the direction does not matter.</summary>
    public bool Matches(in UsbToken token) =>
        Phase != State.Free && Token.Address == token.Address && Token.Endpoint == token.Endpoint && Type == token.Split.EndpointType
        && (Type == TransferType.Control || IsIn == (token.Pid == UsbPid.In));
}
