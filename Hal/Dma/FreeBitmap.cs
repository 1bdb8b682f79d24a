using System.Numerics;

namespace Dma.Hal;

/// <summary>Which numbers from 0 on are free: one bit each, and above every 64 of them one bit that says whether any is.</summary>
/// <remarks>
/// The levels above make "the next free one" a matter of a few words however many are taken. Allocation is
/// first fit, so that the same requests give the same numbers.
/// </remarks>
internal sealed class FreeBitmap
{
    // Level 0: bit = number is free. Level n: bit = a bit of that word of level n - 1 is set. The last level is one word.
    private readonly ulong[][] _levels;

    /// <summary>Numbers that are all free.</summary>
    /// <param name="count">How many, 1 to 2^36.</param>
    public FreeBitmap(ulong count)
    {
        ArgumentOutOfRangeException.ThrowIfZero(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, 1ul << 36);
        List<ulong[]> levels = [];
        for (ulong bits = count; ; bits = (bits + 63) / 64)
        {
            ulong[] words = new ulong[(bits + 63) / 64];
            Array.Fill(words, ulong.MaxValue);
            if (bits % 64 != 0)
                words[^1] = (1ul << (int)(bits % 64)) - 1;
            levels.Add(words);
            if (words.Length == 1)
                break;
        }

        _levels = [.. levels];
        Count = Free = count;
    }

    /// <summary>How many numbers there are.</summary>
    public ulong Count { get; }

    /// <summary>How many are free.</summary>
    public ulong Free { get; private set; }

    /// <summary>Whether a number below <see cref="Count"/> is free.</summary>
    public bool IsFree(ulong index) => ((_levels[0][index >> 6] >> (int)(index & 63)) & 1) != 0;

    /// <summary>Whether all numbers of a stretch exist, and are free or taken as asked.</summary>
    public bool All(ulong first, ulong count, bool free)
    {
        if (first >= Count || count > Count - first)
            return false;
        for (ulong index = first; index < first + count; index++)
        {
            if (IsFree(index) != free)
                return false;
        }

        return true;
    }

    /// <summary>Finds and takes the lowest stretch of free numbers.</summary>
    /// <param name="count">How many, at least 1.</param>
    /// <param name="alignment">A power of two.</param>
    /// <param name="bias">What is added to a number before its alignment is looked at.</param>
    /// <param name="first">The first one.</param>
    public bool TryTake(ulong count, ulong alignment, ulong bias, out ulong first)
    {
        first = 0;
        if (count > Free)
            return false;
        while (NextFree(first, out first))
        {
            first = ((first + bias + alignment - 1) & ~(alignment - 1)) - bias;
            if (first >= Count || count > Count - first)
                return false;
            ulong end = first + count;
            ulong used = first;
            while (used < end && IsFree(used))
                used++;
            if (used == end)
            {
                Take(first, count);
                return true;
            }

            first = used + 1;
        }

        return false;
    }

    /// <summary>Takes numbers that are free.</summary>
    public void Take(ulong first, ulong count)
    {
        for (ulong index = first; index < first + count; index++)
        {
            ulong bit = index;
            foreach (ulong[] words in _levels)
            {
                ref ulong word = ref words[bit >> 6];
                word &= ~(1ul << (int)(bit & 63));
                if (word != 0)
                    break;
                bit >>= 6;
            }
        }

        Free -= count;
    }

    /// <summary>Gives back numbers that are taken.</summary>
    public void Release(ulong first, ulong count)
    {
        for (ulong index = first; index < first + count; index++)
        {
            ulong bit = index;
            foreach (ulong[] words in _levels)
            {
                ref ulong word = ref words[bit >> 6];
                bool hadFree = word != 0;
                word |= 1ul << (int)(bit & 63);
                if (hadFree)
                    break;
                bit >>= 6;
            }
        }

        Free += count;
    }

    // The first free number from one on: up the levels until a word has a bit there or beyond, then down again.
    private bool NextFree(ulong from, out ulong index)
    {
        index = from;
        for (int level = 0; level < _levels.Length; level++)
        {
            ulong[] words = _levels[level];
            ulong at = index >> 6;
            if (at >= (ulong)words.Length)
                return false;
            ulong word = words[at] & (ulong.MaxValue << (int)(index & 63));
            if (word == 0)
            {
                index = at + 1;
                continue;
            }

            index = (at << 6) + (ulong)BitOperations.TrailingZeroCount(word);
            while (level-- > 0)
                index = (index << 6) + (ulong)BitOperations.TrailingZeroCount(_levels[level][index]);
            return true;
        }

        return false;
    }
}
